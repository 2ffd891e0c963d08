import { describe, expect, test } from 'vitest';

import { readJob } from '../src/api/jobs';
import { Reader } from '../src/api/reader';
import { limitLine, stateLine, stateWord } from '../src/jobs/words';
import {
  bytes,
  cards,
  decimal,
  gib,
  limit,
  heldGib,
  heldOfCap,
  inLocalTime,
  moment,
  ofGib,
  percent,
  sentence,
  span
} from '../src/format/quantities';
import { mibOf } from '../src/format/amounts';
import { job, slice } from './support/answers';
import { NOW, trans } from './support/words';

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

  test.each([
    ['24', 24564],
    [' 24.0 ', 24564],
    ['10', 10240],
    ['23.9', 24474],
    ['12.5', 12800],
    ['', NaN],
    ['all', NaN]
  ])('%j GiB on a card of 24564 MiB are %i MiB', (text, mib) => {
    expect(mibOf(text, [10240, null, 24564])).toBe(mib);
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

describe('a job in words', () => {
  test('waiting says its place, when it is expected to start, and why it waits', () => {
    const waiting = job({
      place: 2,
      expected_start: '2026-11-24T12:04:00Z',
      reason: 'every GPU is busy'
    });
    expect(stateLine(waiting, trans, NOW)).toBe(
      'Place 2 in the queue. Expected to start in about 4 min. Every GPU is busy.'
    );
  });

  test('running says its cell, and for whom it is suspended', () => {
    const running = job({
      state: 'running',
      cells_total: 6,
      current_cell: 3,
      suspended_for: 'for an owner’s cell'
    });
    expect(stateWord(running, trans)).toBe('suspended');
    expect(stateLine(running, trans, NOW)).toBe(
      'Suspended for an owner’s cell; it goes on by itself. Cell 3 of 6.'
    );
  });

  test.each([
    ['suspended', 'suspended', 'Suspended: lending is switched off; it goes on by itself.'],
    ['paused', 'suspended', 'Suspended: lending is switched off; it goes on by itself.'],
    ['resident', 'waits', 'Waits: lending is switched off; it goes on by itself.']
  ])('running, but %s and stopped for no owner, it says why', (state, word, line) => {
    const report = { state, wait: { reason: 'lending-off', place: 1 } };
    const stopped = job({
      state: 'running',
      reason: 'lending is switched off',
      slice: slice({ report })
    });
    expect(stateWord(stopped, trans)).toBe(word);
    expect(stateLine(stopped, trans, NOW)).toBe(line);
  });

  test('running, and told to stop, it says so', () => {
    const ending = job({ state: 'running', reason: 'is being cancelled', cells_total: 2 });
    expect(stateWord(ending, trans)).toBe('running');
    expect(stateLine(ending, trans, NOW)).toBe('Is being cancelled. Cell 1 of 2.');
  });

  test.each([
    [1, 0, ''],
    [3, 2, 'Attempt 3 of 3.'],
    [4, 1, 'Attempt 2 of 3. It was begun anew, as its room was taken.'],
    [2, 0, 'It was begun anew, as its room was taken.']
  ])('of %i attempts %i failed: %j', (attempts, failed_attempts, told) => {
    const running = job({ state: 'running', attempts, failed_attempts, retries: 2 });
    expect(stateLine(running, trans, NOW)).toBe(told);
  });

  test('failed says the cell and the error', () => {
    const failed = job({
      state: 'failed',
      failure: { cell: 4, name: 'ValueError', message: 'no data', traceback: '...' }
    });
    expect(stateLine(failed, trans, NOW)).toBe('Cell 4: ValueError: no data');
  });

  test('what has a longest run says when it is stopped, until it has ended', () => {
    const facts = { max_run_s: 604_800, started_at: '2026-11-24T11:00:00Z' };
    const lines = [
      job({ max_run_s: 604_800 }),
      job({ ...facts, state: 'running' }),
      job({ ...facts, state: 'done' }),
      job({ state: 'running' })
    ].map(each => limitLine(each, trans, NOW));
    expect(lines[0]).toBe('It will be stopped after 168 h, pauses not counted.');
    const end = moment(new Date('2026-12-01T11:00:00Z'), NOW);
    expect(lines[1]).toBe(`It is stopped after 168 h, pauses not counted: ${end} at the earliest.`);
    expect(lines.slice(2)).toEqual(['', '']);
  });

  test.each(['placed', 'failed', 'cancelled'] as const)('%s says why', state => {
    expect(stateLine(job({ state, reason: 'by its owner' }), trans, NOW)).toBe('By its owner.');
  });
});

describe('an answer that is not as expected', () => {
  test('what is missing or of another kind gets its default', () => {
    const odd = readJob(new Reader({ job_id: 7, state: 'resting', progress: 'half', extra: {} }));
    expect(odd).toMatchObject({ job_id: '', state: 'waiting', progress: null, failure: null });
  });

  test('what is no object at all is read as an empty one', () => {
    expect(readJob(new Reader('<html>')).name).toBe('');
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
