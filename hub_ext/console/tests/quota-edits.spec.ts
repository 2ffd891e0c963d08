import { expect, test } from 'vitest';

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
      '# asked for by mail\n  - {who: [bob, no, "123"], set: {limit: {cards: 2}}, until: 2026-12-14}\n'
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
