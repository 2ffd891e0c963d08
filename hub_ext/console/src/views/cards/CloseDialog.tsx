/** Close cards to what is new, or drain them: with a reason that who is refused reads. */
import { useState } from 'react';

import type { Card } from '../../api/types';
import { Dialog } from '../../controls/Dialog';
import { ReasonField } from '../../controls/ReasonField';
import { TimeField } from '../../controls/TimeField';
import { useConsole } from '../../model/console';
import { close, nameOf, type Outcome } from './deeds';

export function CloseDialog(props: {
  drain: boolean;
  cards: readonly Card[];
  busy: boolean;
  onClose: () => void;
  run: (deed: Promise<Outcome>) => void;
}): React.JSX.Element {
  const { trans, client } = useConsole();
  const { drain, cards } = props;
  const [reason, setReason] = useState('');
  const [from, setFrom] = useState('');
  const [until, setUntil] = useState('');
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const jobs = cards.flatMap(each => each.slices).filter(each => each.lease.holder === 'job');
  return (
    <Dialog
      name={drain ? 'drain' : 'close'}
      title={
        drain
          ? trans._n('Drain %1 card', 'Drain %1 cards', cards.length)
          : trans._n('Close %1 card', 'Close %1 cards', cards.length)
      }
      deed={drain ? trans.__('Drain') : trans.__('Close')}
      busy={props.busy}
      onClose={props.onClose}
      onDo={() => {
        const ends = until === '' ? null : new Date(until);
        const begins = from === '' ? null : new Date(from);
        props.run(close(client, cards, { reason, until: ends, drain, begins_at: begins }));
      }}
    >
      <p>{cards.map(nameOf).join(', ')}</p>
      <p>
        {drain
          ? trans.__('Nothing new is placed there, and nothing lent: owners’ slices stay.')
          : trans.__('Nothing new is placed there; what is there stays, and may be lent.')}{' '}
        {drain &&
          jobs.length > 0 &&
          trans._n('%1 job goes back to the queue.', '%1 jobs go back to the queue.', jobs.length)}
      </p>
      <ReasonField
        hint={trans.__('Whoever is refused reads it.')}
        reason={reason}
        onChange={setReason}
      />
      {drain && (
        <TimeField
          label={trans.__('From')}
          hint={trans.__('In %1. Left out: at once. Whoever is there is told now.', zone)}
          value={from}
          onChange={setFrom}
        />
      )}
      <TimeField
        label={trans.__('Until')}
        hint={trans.__('In %1. Left out: until somebody opens it.', zone)}
        value={until}
        onChange={setUntil}
      />
    </Dialog>
  );
}
