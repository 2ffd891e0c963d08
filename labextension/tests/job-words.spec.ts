import { moment } from '@sublet-lab/format/quantities';
import { describe, expect, test } from 'vitest';

import { readJob } from '../src/api/jobs';
import { Reader } from '../src/api/reader';
import { limitLine, stateLine, stateWord } from '../src/jobs/words';
import { job, slice } from './support/answers';
import { NOW, trans } from './support/words';

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
