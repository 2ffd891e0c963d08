/** What every part of the page needs: words, the model, and how to do something. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { LabIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { decisionOf, messageOf } from '../api/client';
import type { Decision } from '../api/decision';
import type { Job } from '../api/jobs';
import type { ShareModel } from '../model/share';
import { DecisionPart } from './decisionPart';

/** What can be done beyond this page's own parts. */
export interface PageActions {
  openNotebook(path: string): void;
  followLog(job: Job): void;
  promote(): void;
  /** Says what came of something whose part of the page shows no words. */
  tell(text: string, outcome: 'done' | 'failed'): void;
}

export interface PageContext {
  readonly trans: TranslationBundle;
  readonly model: ShareModel;
  readonly actions: PageActions;
}

/** Draws anew whenever the model changes; the count has no meaning but to differ. */
export function useModel(model: ShareModel): void {
  const [, draw] = React.useReducer((count: number) => count + 1, 0);
  React.useEffect(() => {
    const onChanged = (): void => {
      draw();
    };
    model.changed.connect(onChanged);
    onChanged();
    return () => {
      model.changed.disconnect(onChanged);
    };
  }, [model]);
}

export interface Action {
  /** It is being done. */
  busy: boolean;
  /** What came of it, good or bad. */
  said: { text: string; bad: boolean; lasts: boolean; decision: Decision | null } | null;
  /** What is said of a deed that `lasts` outlives what others speak of. */
  run: (deed: () => Promise<string | null>, lasts?: boolean) => void;
  forget: () => void;
}

/** So long it is told what came of an action, and of one that failed. */
const SAID_FOR_MS = 30_000;
const SAID_OF_FAILURE_FOR_MS = 120_000;

/**
 * Does something, tells what came of it, and has everything asked anew.
 *
 * What was said is forgotten after a while, and as soon as what it speaks of has `passed`.
 */
export function useAction(model: ShareModel, passed = false): Action {
  const [busy, setBusy] = React.useState(false);
  const [said, setSaid] = React.useState<Action['said']>(null);
  React.useEffect(() => {
    if (said === null) {
      return;
    }
    const forget = (): void => {
      setSaid(null);
    };
    const timer = window.setTimeout(forget, said.bad ? SAID_OF_FAILURE_FOR_MS : SAID_FOR_MS);
    return () => {
      window.clearTimeout(timer);
    };
  }, [said]);
  React.useEffect(() => {
    if (passed) {
      setSaid(before => (before?.lasts === true ? before : null));
    }
  }, [passed]);
  const run = (deed: () => Promise<string | null>, lasts = false): void => {
    setBusy(true);
    setSaid(null);
    deed()
      .then(
        text => {
          setSaid(text === null ? null : { text, bad: false, lasts, decision: null });
        },
        (error: unknown) => {
          setSaid({ text: messageOf(error), bad: true, lasts, decision: decisionOf(error) });
        }
      )
      .finally(() => {
        setBusy(false);
        model.refresh();
      });
  };
  return {
    busy,
    said,
    run,
    forget: () => {
      setSaid(null);
    }
  };
}

/** What came of an action; an error is told at once by screen readers. */
export function Said(props: {
  trans: TranslationBundle;
  said: Action['said'];
}): React.JSX.Element | null {
  const { trans, said } = props;
  if (said === null) {
    return null;
  }
  return (
    <>
      <p
        className={said.bad ? 'sublet-said sublet-bad' : 'sublet-said'}
        role={said.bad ? 'alert' : 'status'}
        data-sublet="said"
      >
        {said.text}
      </p>
      <DecisionPart trans={trans} decision={said.decision} />
    </>
  );
}

/** An icon beside a word: never told by either alone. */
export function Sign(props: {
  icon: LabIcon;
  children: React.ReactNode;
  className?: string;
}): React.JSX.Element {
  return (
    <span className={`sublet-sign ${props.className ?? ''}`}>
      <props.icon.react tag="span" className="sublet-icon" aria-hidden="true" />
      <span>{props.children}</span>
    </span>
  );
}

/** A part of the panel with its heading. */
export function Section(props: {
  name: string;
  title: string;
  aside?: React.ReactNode;
  stale?: boolean;
  children: React.ReactNode;
}): React.JSX.Element {
  const id = `sublet-heading-${props.name}`;
  return (
    <section
      className={props.stale === true ? 'sublet-section sublet-stale' : 'sublet-section'}
      aria-labelledby={id}
      data-sublet={props.name}
    >
      <header className="sublet-section-head">
        <h3 id={id}>{props.title}</h3>
        {props.aside}
      </header>
      {props.children}
    </section>
  );
}
