import { describe, expect, test } from 'vitest';

import {
  bytes,
  cards,
  decimal,
  gib,
  heldGib,
  heldOfCap,
  inLocalTime,
  limit,
  moment,
  ofGib,
  percent,
  sentence,
  span
} from '../src/quantities';
import { NOW, trans } from './words';

describe('amounts and times', () => {
  test.each([
    [10240, '10 GiB'],
    [10752, '10.5 GiB'],
    [0, '0 GiB'],
    [5, '0.1 GiB']
  ])('%i MiB is %s', (mib, said) => {
    expect(gib(mib)).toBe(said);
  });

  test.each([
    [0, '0 cards'],
    [1, '1 card'],
    [0.125, '0.125 cards'],
    [1 / 3, '0.333 cards'],
    [20, '20 cards']
  ])('%d cards are %s', (count, said) => {
    expect(cards(trans, count)).toBe(said);
  });

  test.each([
    [0.4, '0 s'],
    [59, '59 s'],
    [61, '1 min'],
    [3599, '1 h'],
    [7500, '2 h 5 min'],
    [300_000, '3 d']
  ])('%d seconds are %s', (seconds, said) => {
    expect(span(trans, seconds)).toBe(said);
  });

  test.each([
    [1800, '30 min'],
    [604_800, '168 h'],
    [216_000, '60 h'],
    [5400, '1.5 h']
  ])('a limit of %d seconds is %s', (seconds, said) => {
    expect(limit(trans, seconds)).toBe(said);
  });

  test('a part of a whole, a share, bytes and hours', () => {
    expect(ofGib(trans, 10240, 40960)).toBe('10 of 40 GiB');
    expect([percent(1000), percent(125)]).toEqual(['100 %', '12.5 %']);
    expect([bytes(512), bytes(3_400_000)]).toEqual(['512 B', '3.4 MB']);
    const amounts = [0, 0.004, 0.04, 12.34, 250.6].map(decimal);
    expect(amounts).toEqual(['0.0', '<0.01', '0.04', '12.3', '251']);
  });
});

describe('what is held, where the GPU does not tell all of it', () => {
  test.each([
    [2048, true, '2 GiB', '2 of 4 GiB'],
    [0, true, '0 GiB', '0 of 4 GiB'],
    [2048, false, 'at least 2 GiB', 'at least 2 GiB of 4 GiB'],
    [0, false, 'an unknown amount', 'an unknown amount of 4 GiB']
  ])('%d MiB, told: %s', (used_mib, told, held, ofCap) => {
    expect(heldGib(trans, used_mib, told)).toBe(held);
    expect(heldOfCap(trans, { used_mib, cap_mib: 4096, told })).toBe(ofCap);
  });
});

test.each([
  ['the agent does not answer', 'The agent does not answer.'],
  ['It is away. Wait!', 'It is away. Wait!'],
  ['', '']
])('%j as a sentence', (reason, told) => {
  expect(sentence(reason)).toBe(told);
});

describe('moments in sentences of the service', () => {
  test('are told by the clock of the browser', () => {
    const at = new Date('2026-11-25T14:05:00Z');
    expect(inLocalTime('Room at 2026-11-25 14:05 UTC, if so.', NOW)).toBe(
      `Room at ${moment(at, NOW)}, if so.`
    );
  });

  test('a time without a day is the nearest', () => {
    const midnight = new Date('2026-11-24T23:59:00Z');
    const next = new Date('2026-11-25T00:01:30Z');
    expect(inLocalTime('back at 00:01:30 UTC at the earliest', midnight)).toBe(
      `back at ${moment(next, midnight)} at the earliest`
    );
  });

  test.each(['from 14:00 (Europe/Berlin)', 'at 2026-13-45 99:99 UTC', 'UTC'])(
    'what is none stays: %s',
    words => {
      expect(inLocalTime(words, NOW)).toBe(words);
    }
  );
});
