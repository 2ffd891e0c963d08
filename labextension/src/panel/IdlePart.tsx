/** That my server is ended if it stays idle: when, or why not, and beside it a button that puts it off. */
import { moment, span } from '@sublet-lab/format/quantities';
import * as React from 'react';

import type { IdleSpared } from '../api/idle';
import { warningIcon } from '../controls/icons';
import { Button, useHeir } from '../controls/button';
import { Said, Sign, useAction, type Action, type PageContext } from '../controls/pageContext';

/** When it is ended; a warning, as soon as that is near. */
export function IdlePart(props: { page: PageContext; now: Date }): React.JSX.Element {
  const { page, now } = props;
  const { trans, model } = page;
  const action = useAction(model);
  // It stays when a cell has run, and there is nothing to put off: so the keyboard is somewhere.
  const place = React.useRef<HTMLDivElement>(null);
  const end = model.slice?.idle_end ?? null;
  const spared = model.slice?.idle_spared ?? null;
  return (
    <div ref={place} tabIndex={-1} className="sublet-idle-place" data-sublet="idle-place">
      {spared !== null && (
        <p className="sublet-quiet" data-sublet="idle-spared">
          {sparedText(page, spared)}
        </p>
      )}
      {spared === null && end?.ends_at != null && (
        <div className={end.warned_at === null ? 'sublet-idle' : 'sublet-note sublet-warn'}>
          <IdleWords page={page} now={now} at={end.ends_at} warned={end.warned_at !== null} />
          <ExtendButton page={page} now={now} action={action} heir={place} />
        </div>
      )}
      <Said trans={trans} said={action.said} />
    </div>
  );
}

function IdleWords(props: {
  page: PageContext;
  now: Date;
  at: Date;
  warned: boolean;
}): React.JSX.Element {
  const { page, now, warned } = props;
  const { trans } = page;
  const at = moment(props.at, now);
  if (!warned) {
    return (
      <p className="sublet-quiet" data-sublet="idle-end">
        {trans.__('If it stays idle, your server is ended at %1.', at)}
      </p>
    );
  }
  return (
    <p role="status" data-sublet="idle-end" data-sublet-warned>
      <Sign icon={warningIcon}>
        {trans.__(
          'Your server is idle and will be ended at %1, with all variables of its kernels: run a cell, or extend it.',
          at
        )}
      </Sign>
    </p>
  );
}

function sparedText(page: PageContext, spared: IdleSpared): string {
  const { trans } = page;
  const { job_name, runs, others } = spared;
  if (others > 0) {
    return trans._n(
      'Your server is not ended for being idle while job %2 and another, promoted from it, go on.',
      'Your server is not ended for being idle while job %2 and %1 others, promoted from it, go on.',
      others,
      job_name
    );
  }
  return runs
    ? trans.__(
        'Your server is not ended for being idle while job %1, promoted from it, runs.',
        job_name
      )
    : trans.__(
        'Your server is not ended for being idle while job %1, promoted from it, waits to go on.',
        job_name
      );
}

function ExtendButton(props: {
  page: PageContext;
  now: Date;
  action: Action;
  heir: React.RefObject<HTMLElement>;
}): React.JSX.Element | null {
  const { page, now, action, heir } = props;
  const { trans, model } = page;
  const ref = useHeir<HTMLButtonElement>(heir);
  const end = model.slice?.idle_end ?? null;
  const sliceId = model.sliceId;
  if (end === null || sliceId === null) {
    return null;
  }
  const extend = async (): Promise<string> => {
    const ends_at = await model.api.extend(sliceId);
    return ends_at === null
      ? trans.__('Your server is not ended for being idle.')
      : trans.__('Your server may stay idle until %1.', moment(ends_at, now));
  };
  return (
    <Button
      ref={ref}
      off={action.busy || model.share?.fresh !== true}
      onClick={() => {
        action.run(extend, true);
      }}
      data-sublet="extend"
      title={trans.__('It may be idle for %1 again, from now on', span(trans, end.max_idle_s))}
    >
      {trans.__('Extend')}
    </Button>
  );
}
