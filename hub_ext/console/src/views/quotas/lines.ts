/** What is another between two texts, line by line, and the changes of two people put together. */

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
  const most = Math.min(before.length, after.length);
  let head = 0;
  while (head < most && before[head] === after[head]) {
    head += 1;
  }
  let tail = 0;
  while (tail < most - head && before.at(-1 - tail) === after.at(-1 - tail)) {
    tail += 1;
  }
  const one = before.slice(head, before.length - tail);
  const other = after.slice(head, after.length - tail);
  if (one.length === 0 && other.length === 0) {
    return [];
  }
  const kept = commonLines(one, other);
  if (kept === null) {
    return [{ from: head, removed: one.length, added: other }];
  }
  return changesAround(kept, one.length, other).map(each => ({ ...each, from: each.from + head }));
}

/** The changes that leave these pairs of lines as they are. */
function changesAround(
  kept: readonly (readonly [number, number])[],
  length: number,
  other: readonly string[]
): Change[] {
  const changes: Change[] = [];
  let [here, there] = [0, 0];
  for (const [one, two] of [...kept, [length, other.length] as const]) {
    if (one > here || two > there) {
      changes.push({ from: here, removed: one - here, added: other.slice(there, two) });
    }
    [here, there] = [one + 1, two + 1];
  }
  return changes;
}

/**
 * The longest common lines of both, as pairs of places (Myers, "An O(ND) difference algorithm", 1986).
 * `null`: they have too little in common.
 */
function commonLines(
  one: readonly string[],
  other: readonly string[]
): (readonly [number, number])[] | null {
  const most = Math.min(MOST_DIFFERENCES, one.length + other.length);
  let furthest = new Map<number, number>([[1, 0]]);
  const steps: Map<number, number>[] = [];
  const at = (diagonal: number): number => furthest.get(diagonal) ?? -1;
  for (let differences = 0; differences <= most; differences += 1) {
    steps.push(furthest);
    const next = new Map(furthest);
    for (let diagonal = -differences; diagonal <= differences; diagonal += 2) {
      const down =
        diagonal === -differences ||
        (diagonal !== differences && at(diagonal - 1) < at(diagonal + 1));
      let here = down ? at(diagonal + 1) : at(diagonal - 1) + 1;
      while (
        here < one.length &&
        here - diagonal < other.length &&
        one[here] === other[here - diagonal]
      ) {
        here += 1;
      }
      next.set(diagonal, here);
      if (here >= one.length && here - diagonal >= other.length) {
        return walkedBack(steps, one.length, other.length);
      }
    }
    furthest = next;
  }
  return null;
}

function walkedBack(
  steps: readonly Map<number, number>[],
  length: number,
  otherLength: number
): (readonly [number, number])[] {
  const kept: (readonly [number, number])[] = [];
  let [here, there] = [length, otherLength];
  for (let differences = steps.length - 1; differences >= 0; differences -= 1) {
    const at = (diagonal: number): number => steps[differences]?.get(diagonal) ?? -1;
    const diagonal = here - there;
    const down =
      diagonal === -differences ||
      (diagonal !== differences && at(diagonal - 1) < at(diagonal + 1));
    const from = down ? diagonal + 1 : diagonal - 1;
    const [begin, beginThere] = differences === 0 ? [0, 0] : [at(from), at(from) - from];
    while (here > begin && there > beginThere) {
      here -= 1;
      there -= 1;
      kept.push([here, there]);
    }
    [here, there] = [begin, beginThere];
  }
  return kept.reverse();
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
