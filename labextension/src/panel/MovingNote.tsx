/** That my slice moves to another card of its node, or has come from one within the last hour. */
import { clock } from '@sublet-lab/format/quantities';
import * as React from 'react';

import type { SliceInfo } from '../api/share';
import { Button, useHeir } from '../controls/button';
import type { PageContext } from '../controls/pageContext';

export function MovingNote({ page }: { page: PageContext }): React.JSX.Element | null {
  const { trans, model } = page;
  // It stays when the note was put away: so the keyboard is somewhere.
  const place = React.useRef<HTMLDivElement>(null);
  const slice = model.slice;
  if (slice === null) {
    return null;
  }
  return (
    <div ref={place} tabIndex={-1} className="sublet-moved-place" data-sublet="moved-place">
      {slice.moving_to !== null ? (
        <p className="sublet-note" role="status" data-sublet="moving">
          {trans.__(
            'It moves from GPU %1 to GPU %2 of its machine when it is idle or your next cell runs. Nothing is lost.',
            slice.lease.gpu_index,
            slice.moving_to
          )}
        </p>
      ) : (
        <MovedNote page={page} slice={slice} heir={place} />
      )}
    </div>
  );
}

function MovedNote(props: {
  page: PageContext;
  slice: SliceInfo;
  heir: React.RefObject<HTMLElement>;
}): React.JSX.Element | null {
  const { page, slice, heir } = props;
  const { trans, model } = page;
  const button = useHeir<HTMLButtonElement>(heir);
  const [, lookAgain] = React.useReducer((times: number) => times + 1, 0);
  const here = slice.lease.gpu_index;
  const moved = model.changes.moved(slice);
  if (moved === null) {
    return null;
  }
  const at = clock(moved.at);
  return (
    <div className="sublet-moved">
      <p className="sublet-quiet" role="status" data-sublet="moved">
        {moved.from === null
          ? trans.__(
              'It was on another GPU and is on GPU %1 since %2, with all that it held. Kernels that you start now use that one, too.',
              here,
              at
            )
          : trans.__(
              'It was on GPU %1 and is on GPU %2 since %3, with all that it held. Kernels that you start now use that one, too.',
              moved.from,
              here,
              at
            )}
      </p>
      <Button
        ref={button}
        onClick={() => {
          model.changes.putMoveAway(slice);
          lookAgain();
        }}
        data-sublet="moved-away"
      >
        {trans.__('Got it')}
      </Button>
    </div>
  );
}
