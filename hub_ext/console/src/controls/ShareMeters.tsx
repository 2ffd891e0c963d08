/** What somebody, or a group together, holds of what is guaranteed and allowed. */

import { cardNumber, cards, gib } from '@sublet-lab/format/quantities';
import type { TranslationBundle } from '@sublet-lab/format/translation';

import type { GroupShare, TypeShare } from '../api/types';
import { useConsole } from '../model/console';
import { Meter } from './Meter';

export function ShareMeters({ share }: { share: GroupShare }): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <>
      <Meter
        label={trans.__('Memory')}
        words={
          share.limit_mib === null
            ? gib(share.held_mib)
            : trans.__('%1 of at most %2', gib(share.held_mib), gib(share.limit_mib))
        }
        used={share.held_mib}
        whole={share.limit_mib}
        warn={isBeyond(share.held_mib, share.limit_mib)}
      />
      {share.limit_cards !== null && (
        <Meter
          label={trans.__('Cards of all types')}
          words={trans.__(
            '%1 of at most %2',
            cardNumber(share.held_cards),
            cards(trans, share.limit_cards)
          )}
          used={share.held_cards}
          whole={share.limit_cards}
          warn={isBeyond(share.held_cards, share.limit_cards)}
        />
      )}
      {share.types.map(each => (
        <Meter
          key={each.gpu_type}
          label={each.gpu_type}
          words={typeWords(each, trans)}
          used={each.held}
          whole={each.limit ?? (each.guaranteed > 0 ? each.guaranteed : null)}
          mark={each.guaranteed}
          warn={isBeyond(each.held, each.limit)}
        />
      ))}
    </>
  );
}

function isBeyond(held: number, limit: number | null): boolean {
  return limit !== null && held > limit;
}

function typeWords(share: TypeShare, trans: TranslationBundle): string {
  return [
    share.limit === null
      ? trans.__('%1 held', cards(trans, share.held))
      : trans.__('%1 of at most %2', cardNumber(share.held), cards(trans, share.limit)),
    ...(share.guaranteed > 0 ? [trans.__('%1 guaranteed', cardNumber(share.guaranteed))] : []),
    ...(share.borrowed !== null && share.borrowed > 0
      ? [trans.__('%1 borrowed', cardNumber(share.borrowed))]
      : []),
    ...(share.jobs > 0 ? [trans.__('%1 by jobs', cardNumber(share.jobs))] : [])
  ].join(', ');
}
