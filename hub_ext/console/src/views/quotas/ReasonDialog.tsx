/** What is put in force, and why: everybody who looks at the history reads it. */
import { useState } from 'react';

import { Dialog } from '../../controls/Dialog';
import { ReasonField } from '../../controls/ReasonField';
import { useConsole } from '../../model/console';
import { Difference } from './Difference';
import type { Previewed } from './model';
import { PreviewPart } from './PreviewPart';

export function ReasonDialog(props: {
  name: string;
  title: string;
  deed: string;
  busy: boolean;
  before: string;
  after: string;
  previewed: Previewed | null;
  /** Why it was refused just now. */
  problem: string | null;
  onClose: () => void;
  onDo: (reason: string) => void;
}): React.JSX.Element {
  const { trans } = useConsole();
  const [reason, setReason] = useState('');
  return (
    <Dialog
      {...{ name: props.name, title: props.title, deed: props.deed, busy: props.busy }}
      wide
      onClose={props.onClose}
      onDo={() => {
        props.onDo(reason);
      }}
    >
      <ReasonField
        hint={trans.__('It stands in the history, with your name and the time.')}
        reason={reason}
        onChange={setReason}
      />
      {props.problem !== null && (
        <p className="bad told" role="alert">
          {props.problem}
        </p>
      )}
      <Difference label={trans.__('What is changed')} before={props.before} after={props.after} />
      {props.previewed !== null && <PreviewPart previewed={props.previewed} past={null} />}
    </Dialog>
  );
}
