/** What can be done to what is chosen: each asks first, and tells what came of it. */
import { useState } from 'react';

import { useConsole } from '../../model/console';
import { NoticeDialog } from '../notices/NoticeDialog';
import { CloseDialog } from './CloseDialog';
import { evict, giveBack, nameOf, open, ownersOf, tell, type Outcome } from './deeds';
import { EvictDialog } from './EvictDialog';
import { OpenDialog } from './OpenDialog';
import type { Selection } from './selection';

type Asked = 'drain' | 'close' | 'open' | 'evict' | 'tell' | null;

export function Deeds({ selection }: { selection: Selection }): React.JSX.Element {
  const { trans, client } = useConsole();
  const [asked, setAsked] = useState<Asked>(null);
  const [busy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const { cards, slices } = selection;
  const chosen = slices.length > 0 ? slices : cards.flatMap(each => each.slices);
  const owners = ownersOf(slices);
  const lent = chosen.filter(each => each.lent_to.length > 0);
  const run = (deed: Promise<Outcome>): void => {
    setBusy(true);
    void deed.then(came => {
      setBusy(false);
      setAsked(null);
      setOutcome(came);
      if (came.failed.length === 0) {
        selection.clear();
      }
    });
  };
  const ask = (what: Asked) => (): void => {
    setOutcome(null);
    setAsked(what);
  };
  const onClose = ask(null);
  return (
    <div className="deeds" role="group" tabIndex={-1} aria-label={trans.__('With what is chosen')}>
      <span className="quiet" data-sublet="chosen">
        {trans.__(
          '%1, %2 chosen',
          trans._n('%1 card', '%1 cards', cards.length),
          trans._n('%1 slice', '%1 slices', slices.length)
        )}
      </span>
      <button type="button" disabled={cards.length === 0} onClick={ask('drain')}>
        {trans.__('Drain…')}
      </button>
      <button type="button" disabled={cards.length === 0} onClick={ask('close')}>
        {trans.__('Close…')}
      </button>
      <button type="button" disabled={cards.length === 0} onClick={ask('open')}>
        {trans.__('Open…')}
      </button>
      <button
        type="button"
        disabled={lent.length === 0 || busy}
        onClick={() => {
          run(giveBack(client, lent));
        }}
      >
        {trans.__('Give back now')}
      </button>
      <button type="button" disabled={slices.length === 0} onClick={ask('evict')}>
        {trans.__('Evict…')}
      </button>
      <button
        type="button"
        disabled={cards.length === 0 && slices.length === 0}
        onClick={ask('tell')}
      >
        {trans.__('Tell…')}
      </button>
      {(asked === 'drain' || asked === 'close') && (
        <CloseDialog drain={asked === 'drain'} {...{ cards, busy, onClose, run }} />
      )}
      {asked === 'open' && (
        <OpenDialog
          {...{ cards, busy, onClose }}
          onDo={reason => {
            run(open(client, cards, reason));
          }}
        />
      )}
      {asked === 'evict' && (
        <EvictDialog
          {...{ slices, busy, onClose }}
          onDo={how => {
            run(evict(client, slices, how));
          }}
        />
      )}
      {asked === 'tell' && (
        <NoticeDialog
          {...{ busy, onClose }}
          title={trans.__('Write a notice')}
          onDo={notice => {
            run(tell(client, selection, notice));
          }}
        >
          <p>
            {slices.length > 0
              ? trans.__('To the owners of the chosen slices: %1', owners.join(', '))
              : trans.__('To whoever has a slice on: %1', cards.map(nameOf).join(', '))}
          </p>
        </NoticeDialog>
      )}
      <Came outcome={outcome} />
    </div>
  );
}

function Came({ outcome }: { outcome: Outcome | null }): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <div className="came" role="status" data-sublet="outcome">
      {outcome !== null && outcome.done > 0 && <p>{trans.__('Done: %1.', outcome.done)}</p>}
      {outcome?.failed.map(({ what, why }) => (
        <p key={what} className="bad">
          {what}: {why}
        </p>
      ))}
    </div>
  );
}
