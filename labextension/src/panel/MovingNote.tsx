/** That my slice moves to another card of its node, or has just come from one. */
import * as React from 'react';

import type { PageContext } from '../controls/pageContext';
import { clock } from '../format/quantities';

export function MovingNote({ page }: { page: PageContext }): React.JSX.Element | null {
  const { trans, model } = page;
  const slice = model.slice;
  if (slice === null) {
    return null;
  }
  const here = slice.lease.gpu_index;
  if (slice.moving_to !== null) {
    return (
      <p className="sublet-note" role="status" data-sublet="moving">
        {trans.__(
          'It moves from GPU %1 to GPU %2 of its machine when it is idle or your next cell runs. Nothing is lost.',
          here,
          slice.moving_to
        )}
      </p>
    );
  }
  const moved = model.changes.moved;
  if (moved === null) {
    return null;
  }
  return (
    <p className="sublet-quiet" role="status" data-sublet="moved">
      {trans.__(
        'It was on GPU %1 and is on GPU %2 since %3, with all that it held. Kernels that you start now use that one, too.',
        moved.from,
        here,
        clock(moved.at)
      )}
    </p>
  );
}
