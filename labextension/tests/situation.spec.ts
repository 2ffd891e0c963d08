import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { partsOf } from '../src/model/parts';
import { ShareModel } from '../src/model/share';
import { situationOf, type Situation } from '../src/model/situation';
import { AT_WORK, localShare, share, slice, standing } from './support/answers';
import { ABSENT, AWAY, FakeApi } from './support/fakeApi';
import { before, NOW, trans } from './support/words';

let api: FakeApi;
let model: ShareModel;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  api = new FakeApi();
  model = new ShareModel({ api, serverName: '', interval_s: 2, parts: partsOf('service,agent') });
});

afterEach(() => {
  model.dispose();
  vi.useRealTimers();
});

async function look(): Promise<Situation | null> {
  model.start();
  await vi.advanceTimersByTimeAsync(100);
  return situationOf(model, trans, NOW);
}

const RESUMING = {
  kind: 'resuming',
  began: before(1).toISOString(),
  bytes_mib: 8192,
  moved_mib: 2048,
  expected_s: 4
};

describe('how things stand', () => {
  test('is the agent’s own word', async () => {
    api.answers.local = localShare({ standing: standing('moved-out', 'moved out') });
    expect((await look())?.standing).toEqual({
      code: 'moved-out',
      word: 'moved out',
      meaning: 'What moved out means.'
    });
  });

  test('of a code that is not known here is told as it came', async () => {
    api.answers.local = localShare({ standing: { code: 'adrift' } });
    expect((await look())?.standing).toEqual({ code: 'adrift', word: 'adrift', meaning: '' });
  });

  test('is unknown where an answer does not say it', async () => {
    api.answers.local = localShare({ standing: null });
    expect((await look())?.standing).toMatchObject({ code: 'unknown', word: 'unknown' });
  });

  test('is the service’s word where the agent cannot be asked', async () => {
    api.answers.local = ABSENT;
    api.answers.share = share({ slices: [slice({ standing: standing('waiting') })] });
    expect((await look())?.standing.code).toBe('waiting');
  });

  test('what was moved out is still mine', async () => {
    api.answers.local = localShare({ state: 'suspended', memory_mib: 0, host_mib: 10240 });
    expect((await look())?.used_mib).toBe(10240);
  });

  test('near the cap it warns', async () => {
    api.answers.local = localShare({ memory_mib: 37000 });
    expect((await look())?.nearCap).toBe(true);
  });

  test('while it comes back: the bytes moved and the time left', async () => {
    api.answers.local = localShare({ move: RESUMING });
    expect((await look())?.progress).toEqual({
      fraction: 0.25,
      text: '2 of 8 GiB, about 3 s left'
    });
  });

  test('where the device does not tell the bytes, they are reckoned from the time', async () => {
    api.answers.local = localShare({ move: { ...RESUMING, moved_mib: null } });
    expect((await look())?.progress?.text).toBe('about 2 of 8 GiB, about 3 s left');
  });

  test('the agent says how long it has taken: this page’s clock may be another', async () => {
    const move = { ...RESUMING, moved_mib: null, began: before(3600).toISOString(), elapsed_s: 1 };
    api.answers.local = localShare({ move });
    expect((await look())?.progress?.text).toBe('about 2 of 8 GiB, about 3 s left');
    const later = new Date(NOW.getTime() + 1100);
    expect(situationOf(model, trans, later)?.progress?.text).toMatch(/, about 2 s left$/);
  });
});

const MOVED_OUT = {
  standing: standing('moved-out'),
  standing_with_next_cell: standing('coming-back', 'coming back'),
  state: 'suspended',
  memory_mib: 0,
  host_mib: 10240
};

test('when a cell is run and its memory is away it comes back, before the agent has said so', async () => {
  api.answers.local = localShare(MOVED_OUT);
  await look();
  model.expectReturn();
  expect(situationOf(model, trans, NOW)).toMatchObject({
    standing: { code: 'coming-back', word: 'coming back', meaning: 'What coming back means.' },
    progress: { fraction: null, text: '10 GiB' }
  });
  // The kernel takes a moment to get to the cell.
  await vi.advanceTimersByTimeAsync(1000);
  expect(situationOf(model, trans, NOW)?.standing.code).toBe('coming-back');
  api.answers.local = localShare(AT_WORK);
  await vi.advanceTimersByTimeAsync(300);
  expect(situationOf(model, trans, NOW)?.standing.code).toBe('active');
});

test('what was expected to come back and does not is told as it is', async () => {
  api.answers.local = localShare(MOVED_OUT);
  await look();
  model.expectReturn();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(situationOf(model, trans, NOW)?.standing.code).toBe('moved-out');
});

describe('lent meanwhile', () => {
  test('one quiet line says for how long and to whom', async () => {
    const last_lent = {
      from_: before(900).toISOString(),
      until: before(180).toISOString(),
      to: 'a job of ben'
    };
    api.answers.share = share({ slices: [slice({ last_lent })] });
    expect((await look())?.quiet).toMatch(/^It was lent to a job of ben for 12 min, until /);
  });

  test('what is long past is no news', async () => {
    const last_lent = {
      from_: before(9000).toISOString(),
      until: before(8000).toISOString(),
      to: 'a job'
    };
    api.answers.share = share({ slices: [slice({ last_lent })] });
    expect((await look())?.quiet).toBeNull();
  });
});

describe('when somebody is away', () => {
  test('the agent: its last word stays, with when it was seen and why it is old', async () => {
    await look();
    api.answers.local = AWAY;
    await vi.advanceTimersByTimeAsync(5000);
    expect(situationOf(model, trans, NOW)).toMatchObject({
      standing: { code: 'away', word: 'not reachable' },
      used_mib: 10240,
      problem: 'The Sublet service is away.'
    });
    expect(situationOf(model, trans, NOW)?.seenAt).not.toBeNull();
  });

  test('the agent from the start: the service knows when it was last seen', async () => {
    api.answers.local = AWAY;
    api.answers.share = share({ agents_silent: ['n1'] });
    const situation = await look();
    expect(situation?.standing.code).toBe('away');
    expect(situation?.seenAt?.toISOString()).toBe('2026-11-24T11:59:30.000Z');
  });

  test('the hub: the slice is still told first-hand', async () => {
    api.answers.share = AWAY;
    expect((await look())?.standing.code).toBe('idle');
  });

  test('no Sublet: nothing is shown', async () => {
    api.answers.share = ABSENT;
    api.answers.local = ABSENT;
    expect(await look()).toBeNull();
  });
});
