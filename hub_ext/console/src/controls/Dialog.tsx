/** A question in front of the page, by the browser's own dialog: it keeps the focus and gives it back. */
import { useEffect, useId, useRef, type FormEvent, type ReactNode } from 'react';

import { useConsole } from '../model/console';

export function Dialog(props: {
  name: string;
  title: string;
  /** The word of what is done. */
  deed: string;
  busy: boolean;
  onDo: () => void;
  onClose: () => void;
  children: ReactNode;
}): React.JSX.Element {
  const { trans } = useConsole();
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      giveBack(before);
    };
  }, []);
  const send = (event: FormEvent): void => {
    event.preventDefault();
    props.onDo();
  };
  return (
    <dialog
      ref={dialog}
      aria-labelledby={title}
      data-sublet={`${props.name}-dialog`}
      onClose={props.onClose}
    >
      <form onSubmit={send}>
        <h2 id={title}>{props.title}</h2>
        {props.children}
        <div className="dialog-end">
          <button type="button" onClick={props.onClose}>
            {trans.__('Leave it')}
          </button>
          <button type="submit" className="primary" disabled={props.busy} data-sublet="do">
            {props.deed}
          </button>
        </div>
      </form>
    </dialog>
  );
}

/** A dialog that is taken away gives no focus back by itself; a button may be off by now. */
function giveBack(before: Element | null): void {
  const to = before?.matches(':disabled') === true ? before.closest('[tabindex="-1"]') : before;
  if (to instanceof HTMLElement) {
    to.focus();
  }
}

export function Field(props: {
  label: string;
  hint?: string;
  children: (id: string) => ReactNode;
}): React.JSX.Element {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{props.label}</label>
      {props.children(id)}
      {props.hint !== undefined && <span className="quiet">{props.hint}</span>}
    </div>
  );
}
