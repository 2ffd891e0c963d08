/** The icons: a shape of its own for each state, so that none is told by colour alone. */
import { LabIcon } from '@jupyterlab/ui-components';

import type { JobState } from '../api/jobs';

const LINE =
  'fill="none" stroke="currentColor" stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round"';

function icon(name: string, shapes: string): LabIcon {
  const svgstr =
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16"' +
    ` aria-hidden="true"><g class="sublet-icon-lines" ${LINE}>${shapes}</g></svg>`;
  return new LabIcon({ name: `sublet:${name}`, svgstr });
}

const FULL = 'fill="currentColor" stroke="none"';

/** A card with one slice of it filled: Sublet itself. */
export const sliceIcon = icon(
  'slice',
  `<rect x="2" y="3.5" width="12" height="9" rx="1.5"/><rect x="4" y="5.5" width="3.5" height="5" rx=".5" ${FULL}/>` +
    '<path d="M10 5.5v5M12 5.5v5"/>'
);
export const promoteIcon = icon('promote', '<path d="M3 13h10M8 10.5V3M4.8 6.2 8 3l3.2 3.2"/>');

const activeIcon = icon(
  'active',
  `<circle cx="8" cy="8" r="5.5"/><path d="M6.6 5.4v5.2L10.8 8z" ${FULL}/>`
);
const idleIcon = icon('idle', '<circle cx="8" cy="8" r="5.5"/><path d="M6.5 6v4M9.5 6v4"/>');
const lentIcon = icon(
  'lent',
  '<path d="M3 6h9M9.5 3.5 12 6 9.5 8.5M13 11H4M6.5 8.5 4 11l2.5 2.5"/>'
);
const movedOutIcon = icon(
  'moved-out',
  '<path d="M2.5 9.5v3.5h11V9.5M8 2.5v7M5.2 6.8 8 9.6l2.8-2.8"/>'
);
const comingBackIcon = icon(
  'coming-back',
  '<path d="M13 8a5 5 0 1 1-1.6-3.7M13 2.5v3h-3M8 5.5V8l1.8 1.4"/>'
);
export const waitingIcon = icon(
  'waiting',
  '<path d="M4.5 2.5h7M4.5 13.5h7M5.5 2.5c0 4 5 4 5 5.5s-5 1.5-5 5.5M10.5 2.5c0 4-5 4-5 5.5s5 1.5 5 5.5"/>'
);
const leavingIcon = icon('leaving', '<path d="M2.5 6V3h11v3M8 13.5V6.5M5.2 9.3 8 6.5l2.8 2.8"/>');
const awayIcon = icon(
  'away',
  '<path d="M2.5 2.5l11 11M5 7a4.5 4.5 0 0 0-2.5 2M13.5 9A6 6 0 0 0 8.5 6.3M6.5 11.5a2.2 2.2 0 0 1 3 0"/>'
);

export const warningIcon = icon(
  'warning',
  `<path d="M8 2.5 14 13H2zM8 6.5v3"/><circle cx="8" cy="11.2" r=".8" ${FULL}/>`
);
export const doneIcon = icon(
  'done',
  '<circle cx="8" cy="8" r="5.5"/><path d="M5.5 8.2 7.3 10l3.400-4"/>'
);
export const failedIcon = icon(
  'failed',
  '<circle cx="8" cy="8" r="5.5"/><path d="M6 6l4 4M10 6l-4 4"/>'
);
const cancelledIcon = icon(
  'cancelled',
  '<circle cx="8" cy="8" r="5.5"/><path d="M4.2 11.8l7.600-7.600"/>'
);

const guaranteedIcon = icon(
  'guaranteed',
  '<path d="M8 2 13 4v4c0 3-2.2 5-5 6-2.8-1-5-3-5-6V4z"/><path d="M5.8 8 7.400 9.7l3-3.4"/>'
);
const borrowedIcon = icon(
  'borrowed',
  '<path d="M8 2 13 4v4c0 3-2.2 5-5 6-2.8-1-5-3-5-6V4z" stroke-dasharray="2 1.6"/>'
);
const calledBackIcon = icon(
  'called-back',
  '<path d="M13 11.5H5.500a3.5 3.5 0 0 1 0-7H12M9.500 2 12 4.5 9.500 7"/>'
);

const RANK_ICONS: ReadonlyMap<string, LabIcon> = new Map([
  ['entitled', guaranteedIcon],
  ['entitled-in-part', guaranteedIcon],
  ['borrowed', borrowedIcon],
  ['called-back', calledBackIcon]
]);

/** By the code of a rank; Sublet's own where the code is not known. */
export function rankIcon(code: string): LabIcon {
  return RANK_ICONS.get(code) ?? sliceIcon;
}

const STANDING_ICONS: ReadonlyMap<string, LabIcon> = new Map([
  ['active', activeIcon],
  ['idle', idleIcon],
  ['lent', lentIcon],
  ['moved-out', movedOutIcon],
  ['coming-back', comingBackIcon],
  ['waiting', waitingIcon],
  ['leaving', leavingIcon],
  ['away', awayIcon]
]);

/** By the code of a standing; Sublet's own where the code is not known. */
export function standingIcon(code: string): LabIcon {
  return STANDING_ICONS.get(code) ?? sliceIcon;
}

export function jobIcon(state: JobState, suspended: boolean): LabIcon {
  if (state === 'running') {
    return suspended ? idleIcon : activeIcon;
  }
  return {
    waiting: waitingIcon,
    placed: comingBackIcon,
    done: doneIcon,
    failed: failedIcon,
    cancelled: cancelledIcon
  }[state];
}
