/** What I can do with my slice: keep it, give it up, have it back, or have it larger or smaller. */
import * as React from 'react';

import type { Situation } from '../model/situation';
import { Button, useSteady } from '../controls/button';
import { Said, useAction, type Action, type PageContext } from '../controls/pageContext';
import { KeepPart } from './KeepPart';
import { ResizeForm } from './ResizeForm';

/** It is in use again, by me or another: what was said of it before has passed. */
const IN_USE: readonly string[] = ['active', 'lent', 'coming-back', 'waiting'];

/** Others have its room or its compute. */
const AWAY: readonly string[] = ['lent', 'moved-out'];

export interface ActionPart {
  page: PageContext;
  sliceId: string;
  action: Action;
  /** Nothing can be done at the moment. */
  off: boolean;
}

export function SliceActions(props: {
  page: PageContext;
  situation: Situation;
  now: Date;
}): React.JSX.Element | null {
  const { page, situation, now } = props;
  const { trans, model } = page;
  const action = useAction(model, IN_USE.includes(situation.standing.code));
  const [resizing, setResizing] = React.useState(false);
  const resizeButton = React.useRef<HTMLButtonElement>(null);
  const sliceId = model.sliceId;
  if (sliceId === null || model.share === null) {
    return null;
  }
  const part = { page, sliceId, action, off: action.busy || !model.share.fresh };
  return (
    <div className="sublet-actions" role="group" aria-label={trans.__('What to do with my slice')}>
      <div className="sublet-row">
        <KeepPart {...part} now={now} />
        <GiveUpButton {...part} isAway={AWAY.includes(situation.standing.code)} />
        <Button
          ref={resizeButton}
          off={part.off}
          aria-expanded={resizing}
          onClick={() => {
            action.forget();
            setResizing(!resizing);
          }}
          data-sublet="resize"
        >
          {trans.__('Resize…')}
        </Button>
      </div>
      {resizing && (
        <ResizeForm
          page={page}
          sliceId={sliceId}
          situation={situation}
          close={() => {
            resizeButton.current?.focus();
            setResizing(false);
          }}
        />
      )}
      <Said trans={trans} said={action.said} />
    </div>
  );
}

/** One button, whichever of the two it does: the keyboard stays on it. */
function GiveUpButton(props: ActionPart & { isAway: boolean }): React.JSX.Element {
  const { page, sliceId, action, off, isAway } = props;
  const { trans, model } = page;
  const steady = useSteady(isAway ? 'wake' : 'give-up');
  const running = model.local?.value.running_cell === true;
  const giveUp = async (): Promise<string> => {
    await model.api.giveUp(sliceId);
    return trans.__(
      'Given up for now: others may use the room at once. Your variables stay, and your next cell brings the slice back.'
    );
  };
  const wake = async (): Promise<string> => {
    await model.api.wake(sliceId);
    return trans.__('Your slice is coming back.');
  };
  const meaning = running
    ? trans.__('A cell of yours is running: wait for it, or interrupt it first')
    : trans.__('Count as idle at once, so that others can use the room; your variables stay');
  return (
    <Button
      off={off || (running && !isAway)}
      onClick={steady(() => {
        action.run(isAway ? wake : giveUp);
      })}
      data-sublet={isAway ? 'wake' : 'give-up'}
      title={
        isAway
          ? trans.__(
              'Your next cell does so by itself; a widget, a script or a thread may wait for this'
            )
          : meaning
      }
    >
      {isAway ? trans.__('Bring back') : trans.__('Give up now')}
    </Button>
  );
}
