/** What another server of mine could have now: will it start? */
import { gib, inLocalTime, percent } from '@sublet-lab/format/quantities';

import type { Share } from '../../api/types';
import { Tag } from '../../controls/Tag';
import { useConsole } from '../../model/console';

export function OffersPart({ offers }: { offers: Share['offers'] }): React.JSX.Element | null {
  const { trans } = useConsole();
  if (offers.length === 0) {
    return null;
  }
  return (
    <section className="part" aria-labelledby="offers" data-sublet="offers">
      <h2 id="offers">{trans.__('What I could have now')}</h2>
      <ul className="plain">
        {offers.map(each => (
          <li key={`${each.pool} ${each.size}`} data-sublet="offer">
            {each.title}{' '}
            <span className="quiet">
              {gib(each.memory_mib)} · {percent(each.compute_milli)}
            </span>{' '}
            <Tag tone={each.allowed ? 'good' : 'plain'}>
              {each.allowed
                ? trans.__('available')
                : each.waits
                  ? trans.__('in line')
                  : trans.__('not now')}
            </Tag>
            {each.why_not !== null && (
              <p className="why">{inLocalTime(each.why_not, new Date())}</p>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
