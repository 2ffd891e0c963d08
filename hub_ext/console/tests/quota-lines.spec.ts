import { expect, test } from 'vitest';

import { changesBetween, difference, linesOf, merged } from '../src/views/quotas/lines';

const BASE = 'a\nb\nc\nd\ne\nf\ng\nh\ni\n';

function applied(before: readonly string[], after: readonly string[]): string[] {
  const result: string[] = [];
  let here = 0;
  for (const change of changesBetween(before, after)) {
    result.push(...before.slice(here, change.from), ...change.added);
    here = change.from + change.removed;
  }
  return [...result, ...before.slice(here)];
}

test.each([
  ['', ''],
  ['', 'a\n'],
  ['a\n', ''],
  ['a\nb\n', 'b\na\n'],
  ['a\nb\nc\n', 'a\nx\nc\ny\n'],
  ['a\na\na\n', 'a\na\n'],
  [BASE, 'b\nc\nX\nY\ne\nf\nh\ni\nj\n'],
  ['x\n'.repeat(10), 'y\n'.repeat(10)]
])('the changes of %j lead to %j', (before, after) => {
  const [one, other] = [linesOf(before), linesOf(after)];
  expect(applied(one, other)).toEqual(other);
});

test('no fewer lines change than must', () => {
  const changes = changesBetween(linesOf(BASE), linesOf('a\nb\nX\nd\ne\nf\ng\ni\n'));
  expect(changes).toEqual([
    { from: 2, removed: 1, added: ['X'] },
    { from: 7, removed: 1, added: [] }
  ]);
});

test('texts without a line in common are one change, however long', () => {
  const one = Array.from({ length: 20_000 }, (_, place) => `a${String(place)}`);
  const other = Array.from({ length: 20_000 }, (_, place) => `b${String(place)}`);
  expect(changesBetween(one, other)).toHaveLength(1);
});

test('a difference is shown with what is around it, and its lines by number', () => {
  const told = difference(BASE, BASE.replace('e\n', 'E\nF\n'), 1);
  expect(told.map(each => each && `${each.kind} ${String(each.line)} ${each.text}`)).toEqual([
    null,
    'same 4 d',
    'removed 5 e',
    'added 5 E',
    'added 6 F',
    'same 7 f',
    null
  ]);
  expect(difference(BASE, BASE)).toEqual([]);
});

test('what two people changed in different places is put together', () => {
  const mine = BASE.replace('b\n', 'B\n');
  const theirs = BASE.replace('h\n', '').replace('e\n', 'e\nnew\n');
  expect(merged(BASE, mine, theirs)).toBe('a\nB\nc\nd\ne\nnew\nf\ng\ni\n');
  expect(merged(BASE, theirs, mine)).toBe('a\nB\nc\nd\ne\nnew\nf\ng\ni\n');
});

test('what two people changed alike is there once', () => {
  const mine = BASE.replace('b\n', 'B\n');
  expect(merged(BASE, mine, mine)).toBe(mine);
});

test('what two people changed in the same place, or side by side, is put together by no one', () => {
  expect(merged(BASE, BASE.replace('b', 'X'), BASE.replace('b', 'Y'))).toBeNull();
  expect(merged(BASE, BASE.replace('b', 'X'), BASE.replace('c', 'Y'))).toBeNull();
});
