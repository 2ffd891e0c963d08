/** What I can do with my slice: keep it, give it up, have it back, or have it larger or smaller. */
import * as React from 'react';

import type { Situation, Standing } from '../model/situation';
import { Said, useAction, type Desk } from '../words/desk';
import { moment, span } from '../words/format';
import { ResizeForm } from './ResizeForm';

const MINUTES = [15, 30, 60, 120, 240];
const USUAL_MINUTES = 30;
/** It is in use again, by me or another: what was said of it before has passed. */
const IN_USE: readonly Standing[] = ['active', 'lent', 'coming-back', 'waiting'];

/** Others have its room or its compute. */
const AWAY: readonly Standing[] = ['lent', 'moved-out'];

export function SliceActions(props: {
  desk: Desk;
  situation: Situation;
  now: Date;
}): React.JSX.Element | null {
  const { desk, situation, now } = props;
  const { trans, model } = desk;
  const action = useAction(model, IN_USE.includes(situation.standing));
  const [minutes, setMinutes] = React.useState(USUAL_MINUTES);
  const [resizing, setResizing] = React.useState(false);
  const id = model.sliceId;
  if (id === null || model.share === null) {
    return null;
  }
  const kept = model.slice?.kept_until ?? null;
  const isKept = kept !== null && kept > now;
  const left = model.share.value.quota?.keep_left_minutes ?? null;
  const running = model.local?.value.running_cell === true;
  const off = action.busy || !model.share.fresh;
  const keep = (): void => {
    action.run(async () => {
      await model.api.keep(id, minutes);
      return trans.__('Kept: nobody else uses your slice for %1.', span(trans, minutes * 60));
    });
  };
  const release = (): void => {
    action.run(async () => {
      await model.api.keep(id, 0);
      return trans.__('Your slice may be lent again while it is idle.');
    });
  };
  const giveUp = (): void => {
    action.run(async () => {
      await model.api.giveUp(id);
      return trans.__(
        'Given up for now: others may use the room at once. Your variables stay, and your next cell brings the slice back.'
      );
    });
  };
  const wake = (): void => {
    action.run(async () => {
      await model.api.wake(id);
      return trans.__('Your slice is coming back.');
    });
  };
  return (
    <div className="sublet-actions" role="group" aria-label={trans.__('What to do with my slice')}>
      <div className="sublet-row">
        {isKept ? (
          <button
            type="button"
            disabled={off}
            onClick={release}
            data-sublet="keep-end"
            title={trans.__('It is kept until %1', moment(kept, now))}
          >
            {trans.__('End keeping')}
          </button>
        ) : (
          <span className="sublet-joined">
            <button
              type="button"
              disabled={off}
              onClick={keep}
              data-sublet="keep"
              title={trans.__('Not lent meanwhile: for a presentation, say')}
            >
              {trans.__('Keep for')}
            </button>
            <select
              aria-label={trans.__('Keep for how long')}
              value={minutes}
              disabled={off}
              data-sublet="keep-minutes"
              onChange={event => {
                setMinutes(Number(event.target.value));
              }}
            >
              {MINUTES.filter(each => left === null || each <= left || each === minutes).map(
                each => (
                  <option key={each} value={each}>
                    {span(trans, each * 60)}
                  </option>
                )
              )}
            </select>
          </span>
        )}
        {AWAY.includes(situation.standing) ? (
          <button
            type="button"
            disabled={off}
            onClick={wake}
            data-sublet="wake"
            title={trans.__(
              'Your next cell does so by itself; a widget, a script or a thread may wait for this'
            )}
          >
            {trans.__('Bring back')}
          </button>
        ) : (
          <button
            type="button"
            disabled={off || running}
            onClick={giveUp}
            data-sublet="give-up"
            title={
              running
                ? trans.__('A cell of yours is running: wait for it, or interrupt it first')
                : trans.__(
                    'Count as idle at once, so that others can use the room; your variables stay'
                  )
            }
          >
            {trans.__('Give up now')}
          </button>
        )}
        <button
          type="button"
          disabled={off}
          aria-expanded={resizing}
          onClick={() => {
            action.forget();
            setResizing(!resizing);
          }}
          data-sublet="resize"
        >
          {trans.__('Resize…')}
        </button>
      </div>
      {resizing && (
        <ResizeForm
          desk={desk}
          sliceId={id}
          situation={situation}
          close={() => {
            setResizing(false);
          }}
        />
      )}
      <Said said={action.said} />
    </div>
  );
}
