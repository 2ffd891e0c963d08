/** Open cards again. */
import { useState } from 'react';

import type { Card } from '../../api/types';
import { Dialog } from '../../controls/Dialog';
import { ReasonField } from '../../controls/ReasonField';
import { useConsole } from '../../model/console';
import { nameOf } from './deeds';

export function OpenDialog(props: {
  cards: readonly Card[];
  busy: boolean;
  onClose: () => void;
  onDo: (reason: string) => void;
}): React.JSX.Element {
  const { trans } = useConsole();
  const [reason, setReason] = useState('');
  return (
    <Dialog
      name="open"
      title={trans._n('Open %1 card', 'Open %1 cards', props.cards.length)}
      deed={trans.__('Open')}
      busy={props.busy}
      onClose={props.onClose}
      onDo={() => {
        props.onDo(reason);
      }}
    >
      <p>{props.cards.map(nameOf).join(', ')}</p>
      <ReasonField
        hint={trans.__('For the record; may be left out.')}
        optional
        reason={reason}
        onChange={setReason}
      />
    </Dialog>
  );
}
