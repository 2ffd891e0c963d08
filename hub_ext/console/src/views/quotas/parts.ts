/** The parts of the view, by which the address names them. */
import type { TranslationBundle } from '@sublet-lab/format/translation';

import { setQuery } from '../../shell/router';

export const PARTS = ['tree', 'document', 'history', 'calendar'] as const;
/** Those of a group, for its admins. */
export const PARTS_OF_GROUP = ['tree', 'held', 'document', 'history', 'calendar'] as const;

export type Part = (typeof PARTS)[number] | (typeof PARTS_OF_GROUP)[number];

export function partOf(query: URLSearchParams, parts: readonly Part[]): Part {
  return parts.find(part => part === query.get('part')) ?? 'tree';
}

export function showPart(part: Part): void {
  setQuery(new URLSearchParams(part === 'tree' ? {} : { part }));
}

/** Show a line of the document. */
export function showLine(line: number): void {
  setQuery(new URLSearchParams({ part: 'document', line: String(line) }));
}

export function lineOf(query: URLSearchParams): number | null {
  const line = Number(query.get('line'));
  return Number.isInteger(line) && line > 0 ? line : null;
}

export function partTitle(part: Part, trans: TranslationBundle): string {
  switch (part) {
    case 'tree':
      return trans.__('Groups');
    case 'held':
      return trans.__('Slices and jobs');
    case 'document':
      return trans.__('Document');
    case 'history':
      return trans.__('History');
    case 'calendar':
      return trans.__('Calendar');
  }
}
