/** What is put in force, and why: everybody who looks at the history reads it. */
import { useState } from 'react';

import { Dialog, Field } from '../../controls/Dialog';
import { useConsole } from '../../model/console';
import { Difference } from './Difference';
import type { Previewed } from './model';
import { PreviewPart } from './PreviewPart';

const MOST_REASON = 1000;

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
      <Field
        label={trans.__('Why')}
        hint={trans.__('It stands in the history, with your name and the time.')}
      >
        {id => (
          <input
            id={id}
            required
            maxLength={MOST_REASON}
            value={reason}
            onChange={event => {
              setReason(event.target.value);
            }}
          />
        )}
      </Field>
      {props.problem !== null && (
        <p className="bad told" role="alert">
          {props.problem}
        </p>
      )}
      <Difference label={trans.__('What is changed')} before={props.before} after={props.after} />
      {props.previewed !== null && <PreviewPart previewed={props.previewed} />}
    </Dialog>
  );
}
