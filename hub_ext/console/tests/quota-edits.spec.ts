/// <reference types="node" />
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { parse } from 'yaml';

import { UnreadableError, withEntry, withValue } from '../src/views/quotas/edits';

const TEXT = `\
# Who may have what.
everyone: {sizes: [small], limit: {cards: 1}}   # each person
groups:
  science:
    guaranteed: {H100: 6}
    limit:            # of all together
      H100: 8   # till spring
    groups:
      nlp: {members: [hub-nlp]}
  empty:
exceptions:
  - {who: [ada], set: {limit: {cards: 4}}, why: deadline}   # asked for by mail

# The end.
`;

test('an amount is changed where it stands, and nothing else', () => {
  expect(withValue(TEXT, ['groups', 'science', 'limit', 'H100'], 10)).toBe(
    TEXT.replace('H100: 8 ', 'H100: 10 ')
  );
  expect(withValue(TEXT, ['everyone', 'limit', 'cards'], 2)).toBe(
    TEXT.replace('cards: 1}}', 'cards: 2}}')
  );
});

test('a key that is not there comes behind those that are, written as they are', () => {
  expect(withValue(TEXT, ['everyone', 'limit', 'memory'], '20 GiB')).toBe(
    TEXT.replace('{cards: 1}}', '{cards: 1, memory: 20 GiB}}')
  );
  expect(withValue(TEXT, ['groups', 'science', 'limit', 'cards'], 20)).toBe(
    TEXT.replace('# till spring\n', '# till spring\n      cards: 20\n')
  );
  expect(withValue(TEXT, ['groups', 'science', 'groups', 'nlp', 'limit', 'H100'], 2)).toBe(
    TEXT.replace('[hub-nlp]}', '[hub-nlp], limit: {H100: 2}}')
  );
});

test('what is empty gets its first key, and what there is nothing of its section', () => {
  expect(withValue(TEXT, ['groups', 'empty', 'limit', 'cards'], 1)).toBe(
    TEXT.replace('  empty:\n', '  empty: {limit: {cards: 1}}\n')
  );
  expect(withValue('', ['everyone', 'limit', 'cards'], 1)).toBe('everyone: {limit: {cards: 1}}\n');
  expect(withValue('# only a comment', ['everyone', 'weight'], 1)).toBe(
    '# only a comment\neveryone: {weight: 1}\n'
  );
});

test('an entry comes to the end of its list, and keeps the comments around it', () => {
  const entry = { who: ['bob', 'no', '123'], set: { limit: { cards: 2 } }, until: '2026-12-14' };
  expect(withEntry(TEXT, 'exceptions', entry)).toBe(
    TEXT.replace(
      '# asked for by mail\n',
      '# asked for by mail\n  - {who: [bob, "no", "123"], set: {limit: {cards: 2}}, until: 2026-12-14}\n'
    )
  );
  expect(withEntry('exceptions: []\n', 'exceptions', { why: 'x: y' })).toBe(
    'exceptions: [{why: "x: y"}]\n'
  );
  expect(withEntry('everyone: {}', 'exceptions', { why: 'x' })).toBe(
    'everyone: {}\nexceptions:\n  - {why: x}\n'
  );
  expect(withEntry('exceptions:\n- {why: a}\n', 'exceptions', { why: 'b' })).toBe(
    'exceptions:\n- {why: a}\n- {why: b}\n'
  );
});

test('a document that is no YAML is left as it is', () => {
  expect(() => withValue('a: [', ['a'], 1)).toThrow(UnreadableError);
});

const READ_BY_THE_SERVICE = `
import json, sys
from sublet_quota.document.text.tree import read_tree
trees = [read_tree(text) for text in json.load(sys.stdin)]
print(json.dumps([[tree.value, list(map(str, tree.problems))] for tree in trees]))
`;

function readByTheService(texts: readonly string[]): readonly [unknown, readonly string[]][] {
  const told = execFileSync(process.env.PYTHON ?? 'python3', ['-c', READ_BY_THE_SERVICE], {
    input: JSON.stringify(texts),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024
  });
  return JSON.parse(told) as [unknown, string[]][];
}

const LOOK_ALIKES = [
  ...['nULL', 'Null', '~', 'tRUE', 'False', 'No', 'yEs', 'ON', 'y', '.inf', '-.INF', '.nan'],
  ...['0o7', '017', '1_000', '0x1F', '0b1', '1e3', '1.5', '.5', '+1', '-1', '12', '12:30:45'],
  ...['=', '<<', '?', '? a', 'what? yes', '-', '- a', ':', 'a:', 'a: b', ':a', 'a #b', '#a', '%a'],
  ...['!x', '&x', '*x', '@x', '`x', '|', '>', '"', "'", "it's", '[a', 'a]', '{a', 'a}', 'a,b', ','],
  ...[
    '2026-12-02',
    '2026-12-02 10:00:00',
    ' a',
    'a ',
    'a  b',
    'é',
    '日本',
    '\u00a0',
    '\ufeff',
    '😀'
  ],
  ...['', 'a\\b', '---', '...', '--- a', 'http://a/b?c=d&e', '40 GiB', '1/2', 'Mon 14:00-16:00']
];

/** Texts of such characters as steer a reader of YAML, always the same. */
function drawn(count: number): readonly string[] {
  const letters = Array.from('aZ09 :?,-#&*!|>%@`{}[]"\'\\~=<._/+éß😀\u00a0');
  let seed = 16;
  const next = (below: number): number => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * below);
  };
  return Array.from({ length: count }, () =>
    Array.from({ length: next(8) }, () => letters[next(letters.length)]).join('')
  );
}

test.each([
  ['in brackets', 'groups: {g: {}}\nexceptions: [{why: first}]\n'],
  ['on lines of their own', 'groups:\n  g: {}\nexceptions:\n  - why: first\n'],
  ['written anew', 'groups: {g: {}}\nexceptions: # none\n'],
  ['into nothing', '']
])('a text is read by the service as it was written: %s', (_, before) => {
  const texts = [...LOOK_ALIKES, ...drawn(400)];
  const made = texts.map(text => withEntry(before, 'exceptions', { who: [text], why: text }));
  const set = texts.map(text => withValue(before, ['groups', `g${text}`, 'why'], text));
  const said = readByTheService([...made, ...set]);
  texts.forEach((text, place) => {
    const [entries, problems] = said[place] ?? [null, ['not read']];
    const { exceptions } = entries as { exceptions: unknown[] };
    expect([exceptions.at(-1), problems]).toEqual([{ who: [text], why: text }, []]);
    const [whole, others] = said[texts.length + place] ?? [null, ['not read']];
    const { groups } = whole as { groups: Record<string, unknown> };
    expect([groups[`g${text}`], others]).toEqual([{ why: text }, []]);
    if (/^\d{4}-\d\d-\d\d/.test(text)) {
      // Days are bare, as people write them: YAML 1.1 makes more of them.
      return;
    }
    const old = parse(made[place] ?? '', { version: '1.1' }) as { exceptions: unknown[] };
    expect(old.exceptions.at(-1)).toEqual({ who: [text], why: text });
  });
});
