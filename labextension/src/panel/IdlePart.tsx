/** That my server is ended if it stays idle: when, or why not, and a button that puts it off. */
import * as React from 'react';

import type { IdleSpared } from '../api/idle';
import { warningIcon } from '../controls/icons';
import { Button, useHeir } from '../controls/button';
import { Sign, type PageContext } from '../controls/pageContext';
import { moment, span } from '../format/quantities';
import type { ActionPart } from './SliceActions';

/** When it is ended; a warning, as soon as that is near. */
export function IdleNote(props: { page: PageContext; now: Date }): React.JSX.Element | null {
  const { page, now } = props;
  const { trans } = page;
  const spared = page.model.slice?.idle_spared ?? null;
  if (spared !== null) {
    return (
      <p className="sublet-quiet" data-sublet="idle-spared">
        {sparedText(page, spared)}
      </p>
    );
  }
  const end = page.model.slice?.idle_end ?? null;
  if (end?.ends_at == null) {
    return null;
  }
  const at = moment(end.ends_at, now);
  if (end.warned_at === null) {
    return (
      <p className="sublet-quiet" data-sublet="idle-end">
        {trans.__('If it stays idle, your server is ended at %1.', at)}
      </p>
    );
  }
  return (
    <div
      className="sublet-note sublet-warn"
      role="status"
      data-sublet="idle-end"
      data-sublet-warned
    >
      <Sign icon={warningIcon}>
        {trans.__(
          'Your server is idle and will be ended at %1, with all variables of its kernels: run a cell, or extend it.',
          at
        )}
      </Sign>
    </div>
  );
}

function sparedText(page: PageContext, spared: IdleSpared): string {
  const { trans } = page;
  const { job_name, runs, others } = spared;
  if (others > 0) {
    return trans._n(
      'Your server is not ended for being idle while job %2 and another, promoted from it, wait or run.',
      'Your server is not ended for being idle while job %2 and %1 others, promoted from it, wait or run.',
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
        'Your server is not ended for being idle while job %1, promoted from it, waits.',
        job_name
      );
}

/** `heir`: where the keyboard goes when a cell has run, and there is nothing to put off. */
export function ExtendButton(
  props: ActionPart & { now: Date; heir: React.RefObject<HTMLElement> }
): React.JSX.Element | null {
  const { page, sliceId, action, off, now, heir } = props;
  const { trans, model } = page;
  const ref = useHeir<HTMLButtonElement>(heir);
  const end = model.slice?.idle_end ?? null;
  if (end === null) {
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
      off={off}
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
