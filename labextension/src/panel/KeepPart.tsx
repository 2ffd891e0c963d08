/** Keep my slice from being lent for a while, within what is left of that today. */
import { moment, span } from '@sublet-lab/format/quantities';
import * as React from 'react';

import { Button, useHeir, useSteady } from '../controls/button';
import type { ActionPart } from './SliceActions';

const MINUTES: readonly number[] = [15, 30, 60, 120, 240];
const USUAL_MINUTES = 30;

export function KeepPart(props: ActionPart & { now: Date }): React.JSX.Element {
  const { page, sliceId, action, off, now } = props;
  const { trans, model } = page;
  const [wished, setWished] = React.useState(USUAL_MINUTES);
  const kept = model.slice?.kept_until ?? null;
  const isKept = kept !== null && kept > now;
  const steady = useSteady(isKept ? 'release' : 'keep');
  const button = React.useRef<HTMLButtonElement>(null);
  const select = useHeir<HTMLSelectElement>(button);
  const left = model.share?.value.quota?.keep_left_minutes ?? null;
  const choices = keepChoices(left);
  const minutes = choices.includes(wished) ? wished : (choices.at(-1) ?? 0);
  const keep = async (): Promise<string> => {
    await model.api.keep(sliceId, minutes);
    return trans.__('Kept: nobody else uses your slice for %1.', span(trans, minutes * 60));
  };
  const release = async (): Promise<string> => {
    await model.api.keep(sliceId, 0);
    return trans.__('Your slice may be lent again while it is idle.');
  };
  const words = (each: number): string => {
    const length = span(trans, each * 60);
    return MINUTES.includes(each) ? length : trans.__('%1 (all that is left)', length);
  };
  return (
    <span className={isKept ? '' : 'sublet-joined'}>
      <Button
        ref={button}
        off={off || (!isKept && minutes === 0)}
        onClick={steady(() => {
          // Kept it is whether it is in use or not.
          action.run(isKept ? release : keep, true);
        })}
        data-sublet={isKept ? 'keep-end' : 'keep'}
        title={
          isKept
            ? trans.__('It is kept until %1', moment(kept, now))
            : trans.__('Not lent meanwhile: for a presentation, say')
        }
      >
        {isKept ? trans.__('End keeping') : trans.__('Keep for')}
      </Button>
      {!isKept && (
        <select
          ref={select}
          aria-label={trans.__('Keep for how long')}
          value={minutes}
          data-sublet="keep-minutes"
          onChange={event => {
            setWished(Number(event.target.value));
          }}
        >
          {choices.length === 0 && <option value={0}>{trans.__('none left today')}</option>}
          {choices.map(each => (
            <option key={each} value={each}>
              {words(each)}
            </option>
          ))}
        </select>
      )}
    </span>
  );
}

/** For how many minutes it can be kept; `left`: how many are left today, `null` where not known. */
export function keepChoices(left: number | null): readonly number[] {
  if (left === null) {
    return MINUTES;
  }
  const within = MINUTES.filter(each => each <= left);
  const isOdd = left > 0 && within.length < MINUTES.length && !within.includes(left);
  return isOdd ? [...within, left] : within;
}
