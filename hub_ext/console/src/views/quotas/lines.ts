/** What is another between two texts, line by line, and the changes of two people put together. */
import { diffArrays } from 'diff';

/** A run of lines that is another: from `from` on, `removed` lines make way for these. */
export interface Change {
  readonly from: number;
  readonly removed: number;
  readonly added: readonly string[];
}

export type LineKind = 'same' | 'removed' | 'added';

export interface DiffLine {
  readonly kind: LineKind;
  readonly text: string;
  /** Its number in the text that has it, from 1. */
  readonly line: number;
}

/** Texts that have so much not in common are told as one change. */
const MOST_DIFFERENCES = 1000;

export function linesOf(text: string): readonly string[] {
  const lines = text.split('\n');
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}

export function changesBetween(before: readonly string[], after: readonly string[]): Change[] {
  const most = { maxEditLength: MOST_DIFFERENCES };
  const runs = diffArrays([...before], [...after], most);
  if (runs === undefined) {
    return [{ from: 0, removed: before.length, added: after }];
  }
  const changes: Change[] = [];
  let here = 0;
  let open: { from: number; removed: number; added: readonly string[] } | null = null;
  for (const run of runs) {
    if (!run.added && !run.removed) {
      open = null;
    } else {
      if (open === null) {
        open = { from: here, removed: 0, added: [] };
        changes.push(open);
      }
      if (run.removed) {
        open.removed += run.count;
      } else {
        open.added = [...open.added, ...run.value];
      }
    }
    if (!run.added) {
      here += run.count;
    }
  }
  return changes;
}

/** Both texts as one list, with so many lines of `around` each change; `null` is a gap. */
export function difference(before: string, after: string, around = 3): (DiffLine | null)[] {
  const [one, other] = [linesOf(before), linesOf(after)];
  const told: (DiffLine | null)[] = [];
  let shown = 0;
  let shift = 0;
  const same = (from: number, until: number): void => {
    for (let place = from; place < until; place += 1) {
      told.push({ kind: 'same', text: one[place] ?? '', line: place + 1 + shift });
    }
  };
  const changes = changesBetween(one, other);
  changes.forEach((change, place) => {
    const begin = Math.max(shown, change.from - around);
    if (begin > shown) {
      told.push(null);
    }
    same(begin, change.from);
    for (let each = change.from; each < change.from + change.removed; each += 1) {
      told.push({ kind: 'removed', text: one[each] ?? '', line: each + 1 });
    }
    change.added.forEach((text, each) => {
      told.push({ kind: 'added', text, line: change.from + shift + each + 1 });
    });
    shift += change.added.length - change.removed;
    const end = change.from + change.removed;
    shown = Math.min(end + around, changes[place + 1]?.from ?? one.length);
    same(end, shown);
  });
  if (changes.length > 0 && shown < one.length) {
    told.push(null);
  }
  return told;
}

/**
 * What one person made of a text, with what another made of the same text put into it.
 * `null`: both changed the same lines, or lines beside each other.
 */
export function merged(base: string, mine: string, theirs: string): string | null {
  const lines = linesOf(base);
  const own = changesBetween(lines, linesOf(mine));
  const others = changesBetween(lines, linesOf(theirs)).filter(
    each => !own.some(one => isSame(one, each))
  );
  if (own.some(one => others.some(other => touch(one, other)))) {
    return null;
  }
  const all = [...own, ...others].sort((one, other) => one.from - other.from);
  const result: string[] = [];
  let here = 0;
  for (const change of all) {
    result.push(...lines.slice(here, change.from), ...change.added);
    here = change.from + change.removed;
  }
  result.push(...lines.slice(here));
  return result.length === 0 ? '' : `${result.join('\n')}\n`;
}

function isSame(one: Change, other: Change): boolean {
  return (
    one.from === other.from &&
    one.removed === other.removed &&
    one.added.join('\n') === other.added.join('\n')
  );
}

function touch(one: Change, other: Change): boolean {
  return one.from <= other.from + other.removed && other.from <= one.from + one.removed;
}
