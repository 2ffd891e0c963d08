import { expect, test } from 'vitest';

import schema from '../../../quota/quota.schema.json';
import { proposalsAt } from '../src/views/quotas/completion';
import { cursorAt, writtenIn } from '../src/views/quotas/place';

const TEXT = `\
gpu_types:
  H100: {match: "*H100*"}
  A100: {match: ["*A100*"]}
sizes:
  - {name: small, memory: 1/4, compute: 1/4}
  - name: whole   # all of it
    memory: 1
groups:
  science:
    limit: {H100: 8,
      cards: 20}
    groups:
      nlp: {members: [hub-nlp]}
exceptions:
- who: [ada]
  set: {limit: {cards: 4}}
- {groups: [nlp], why: "a: b"}
`;

/** What is proposed where `|` stands. */
function proposed(text: string): readonly string[] {
  const offset = text.indexOf('|');
  const found = proposalsAt(schema, text.replace('|', ''), offset);
  return found.list.map(each => each.word);
}

test('each key of a text has its path and its line, in brackets and out of them', () => {
  const told = Object.fromEntries(writtenIn(TEXT).map(each => [each.path.join('.'), each.line]));
  expect(told).toMatchObject({
    gpu_types: 0,
    'gpu_types.H100.match': 1,
    'gpu_types.A100.match.0': 2,
    'sizes.0.name': 4,
    'sizes.1.memory': 6,
    'groups.science.limit.H100': 9,
    'groups.science.limit.cards': 10,
    'groups.science.groups.nlp.members.0': 12,
    'exceptions.0.set.limit.cards': 15,
    'exceptions.1.groups.0': 16,
    'exceptions.1.why': 16
  });
});

test.each([
  ['', { path: [], as: 'key', begun: '' }],
  ['every', { path: [], as: 'key', begun: 'every' }],
  ['everyone:\n  li', { path: ['everyone'], as: 'key', begun: 'li' }],
  ['everyone: {limit: {ca', { path: ['everyone', 'limit'], as: 'key', begun: 'ca' }],
  ['everyone: {sizes: [a, b', { path: ['everyone', 'sizes', 1], as: 'value', begun: 'b' }],
  ['pools:\n  - name: x\n    lend: tr', { path: ['pools', 0, 'lend'], as: 'value', begun: 'tr' }],
  ['pools:\n- ', { path: ['pools', 0], as: 'either', begun: '' }],
  ['groups:\n  a:\n    limit: {cards: 1}\n  ', { path: ['groups'], as: 'key', begun: '' }],
  ['a: {b: 1} # {c\nd: ', { path: ['d'], as: 'value', begun: '' }]
])('behind %j stands the cursor at its place', (text, place) => {
  expect(cursorAt(text, text.length)).toEqual(place);
});

test('keys are proposed by the schema, without those that are there', () => {
  expect(proposed('|')).toEqual(expect.arrayContaining(['groups', 'exceptions', 'reservations']));
  const below = proposed('groups:\n  a:\n    weight: 2\n    |');
  expect(below).toEqual(expect.arrayContaining(['guaranteed', 'limit', 'members', 'groups']));
  expect(below).not.toContain('weight');
  expect(proposed('exceptions:\n  - {who: [ada], se|')).toEqual(
    expect.arrayContaining(['set', 'until', 'why'])
  );
  expect(proposed('groups:\n  a:\n    groups:\n      b:\n        |')).toContain('guaranteed');
});

test('of GPU types, sizes and groups those are proposed that the document names', () => {
  expect(proposed(`${TEXT}everyone:\n  limit: {|`)).toEqual(
    expect.arrayContaining(['cards', 'memory', 'slices', 'H100', 'A100'])
  );
  expect(proposed(`${TEXT}everyone:\n  sizes: [|`)).toEqual(['small', 'whole']);
  expect(proposed(`${TEXT}reservations:\n  - for: |`)).toEqual(['science', 'nlp']);
});

test('values are proposed where only some are possible', () => {
  expect(proposed('notebooks: {when_full: |')).toEqual(expect.arrayContaining(['refuse', 'queue']));
  expect(proposed('pools:\n  - lend: |')).toEqual(['true', 'false']);
});
