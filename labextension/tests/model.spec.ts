import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { partsOf } from '../src/model/parts';
import { ShareModel } from '../src/model/share';
import { job, localShare, share } from './support/answers';
import { ABSENT, AWAY, FakeApi } from './support/fakeApi';

let api: FakeApi;
let model: ShareModel;
let hidden = false;

beforeEach(() => {
  vi.useFakeTimers();
  hidden = false;
  vi.spyOn(document, 'hidden', 'get').mockImplementation(() => hidden);
  api = new FakeApi();
  model = new ShareModel({ api, serverName: '', interval_s: 2, parts: partsOf('service,agent') });
});

afterEach(() => {
  model.dispose();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

function count(what: string): number {
  return api.asked.filter(each => each === what).length;
}

async function pass(seconds: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(seconds * 1000);
}

describe('is there a Sublet?', () => {
  test('where the routes are absent nothing is asked a second time', async () => {
    api.answers.share = ABSENT;
    api.answers.local = ABSENT;
    model.start();
    await pass(1);
    await expect(model.presence).resolves.toBe(false);
    await pass(600);
    expect(api.asked.sort()).toEqual(['local-share', 'share']);
  });

  test('where the page says that there is none, nothing is asked at all', async () => {
    const nobody = new ShareModel({ api, serverName: '', interval_s: 2, parts: partsOf('') });
    nobody.start();
    await pass(600);
    await expect(nobody.presence).resolves.toBe(false);
    expect(api.asked).toEqual([]);
    nobody.dispose();
  });

  test('a service that cannot be reached is there', async () => {
    api.answers.share = AWAY;
    api.answers.local = AWAY;
    model.start();
    await pass(1);
    await expect(model.presence).resolves.toBe(true);
  });

  test('a slice that is gone later does not make Sublet absent', async () => {
    model.start();
    await pass(1);
    api.answers.local = ABSENT;
    await pass(5);
    expect(model.isPresent).toBe(true);
    expect(model.local?.fresh).toBe(false);
  });
});

describe('who does not answer', () => {
  test('is told of also where nothing was seen before', async () => {
    api.answers.share = AWAY;
    model.start();
    await pass(1);
    expect([model.share, model.shareProblem, model.localProblem]).toEqual([
      null,
      'The Sublet service is away.',
      null
    ]);
    api.answers.share = share();
    await pass(60);
    expect(model.shareProblem).toBeNull();
  });
});

describe('how often it asks', () => {
  test('every interval while the page is in sight', async () => {
    model.start();
    await pass(10.5);
    expect(count('local-share')).toBe(6);
    expect(count('share')).toBe(3);
  });

  test('not at all while the page is hidden', async () => {
    model.start();
    await pass(1);
    hidden = true;
    const before = api.asked.length;
    await pass(600);
    expect(api.asked.length).toBe(before);
  });

  test('at once when the page is seen again', async () => {
    model.setInterval(300);
    model.start();
    await pass(1);
    hidden = true;
    await pass(600);
    const before = count('local-share');
    hidden = false;
    document.dispatchEvent(new Event('visibilitychange'));
    await pass(0.1);
    expect(count('local-share')).toBe(before + 1);
  });

  test('twice a second while memory moves', async () => {
    api.answers.local = localShare({ move: { kind: 'resuming', bytes_mib: 8, expected_s: 9 } });
    model.start();
    await pass(5);
    expect(count('local-share')).toBeGreaterThanOrEqual(9);
  });

  test('four times a second for a while when a cell is run and the slice is away', async () => {
    api.answers.local = localShare({ lent: true });
    model.start();
    await pass(1);
    const before = count('local-share');
    model.expectReturn();
    await pass(3);
    expect(count('local-share') - before).toBeGreaterThanOrEqual(11);
    await pass(10);
    const later = count('local-share');
    await pass(10);
    expect(count('local-share') - later).toBe(5);
  });

  test('no oftener when a cell is run and the slice is there', async () => {
    api.answers.local = localShare({ active: true });
    model.start();
    await pass(1);
    const before = count('local-share');
    model.expectReturn();
    await pass(3);
    expect(count('local-share') - before).toBeLessThanOrEqual(2);
  });

  test('ever more rarely while nobody answers', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.9);
    model.start();
    await pass(1);
    api.answers.local = AWAY;
    const before = count('local-share');
    await pass(600);
    expect(count('local-share') - before).toBeLessThan(25);
  });

  test('kernels at once when the slice stands elsewhere, for who looks at them', async () => {
    model.start();
    await pass(1);
    model.read();
    await pass(0.1);
    api.answers.local = localShare({ state: 'suspended', lent: true });
    await pass(2);
    expect(count('kernels')).toBe(2);
  });

  test('details only while somebody looks at them', async () => {
    model.start();
    await pass(30);
    expect([count('kernels'), count('history'), count('jobs')]).toEqual([0, 0, 0]);
    const reading = model.read();
    await pass(1);
    expect([count('kernels'), count('history'), count('jobs')]).toEqual([1, 1, 1]);
    reading.dispose();
    await pass(60);
    expect(count('history')).toBe(1);
  });

  test('jobs once for who asks for them, and again only where the first was not answered', async () => {
    api.answers.jobs = AWAY;
    model.start();
    await pass(1);
    model.askJobs();
    await pass(1);
    const failed = count('jobs');
    expect(failed).toBeGreaterThan(0);
    api.answers.jobs = [];
    await pass(60);
    expect(count('jobs')).toBe(failed + 1);
    await pass(600);
    expect(count('jobs')).toBe(failed + 1);
  });

  test('jobs that are under way are followed without the panel', async () => {
    api.answers.share = share({ jobs_running: 1 });
    model.start();
    await pass(20);
    expect(count('jobs')).toBeGreaterThan(1);
  });
});

test('an admin sees their own jobs only', async () => {
  api.answers.jobs = [job({ job_id: 'mine' }), job({ job_id: 'other', owner: 'ben' })];
  model.start();
  model.read();
  await pass(1);
  expect(model.jobs.map(each => each.job_id)).toEqual(['mine']);
});
