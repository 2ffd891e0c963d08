/** Write a notice: what is told, and until when; to whom, where that is not chosen already. */
import { useState, type ReactNode } from 'react';

import { Dialog, Field } from '../../controls/Dialog';
import { TimeField } from '../../controls/TimeField';
import { useConsole } from '../../model/console';
import type { Notice } from '../cards/deeds';

const MOST_TEXT = 500;

export function NoticeDialog(props: {
  title: string;
  busy: boolean;
  /** Why the last one was refused. */
  problem?: string | null;
  /** To whom. */
  children: ReactNode;
  onClose: () => void;
  onDo: (notice: Notice) => void;
}): React.JSX.Element {
  const { trans, session } = useConsole();
  const [text, setText] = useState('');
  const [until, setUntil] = useState('');
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return (
    <Dialog
      name="notice"
      title={props.title}
      deed={trans.__('Tell')}
      busy={props.busy}
      onClose={props.onClose}
      onDo={() => {
        props.onDo({ text, until: until === '' ? null : new Date(until).toISOString() });
      }}
    >
      {props.children}
      <Field
        label={trans.__('What is told')}
        hint={
          session.admin
            ? trans.__('One line of plain text. They read it without your name.')
            : trans.__('One line of plain text. They read it with your name.')
        }
      >
        {id => (
          <input
            id={id}
            required
            maxLength={MOST_TEXT}
            value={text}
            onChange={event => {
              setText(event.target.value);
            }}
          />
        )}
      </Field>
      <TimeField
        label={trans.__('Until')}
        hint={trans.__('In %1. Left out: for a day.', zone)}
        value={until}
        onChange={setUntil}
      />
      {props.problem != null && (
        <p className="bad" role="alert">
          {props.problem}
        </p>
      )}
    </Dialog>
  );
}
