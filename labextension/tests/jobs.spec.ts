import { Widget } from '@lumino/widgets';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { ApiError } from '../src/api/client';
import { underWay } from '../src/api/jobs';
import { LogView } from '../src/jobs/logWidget';
import { RunningJobs } from '../src/jobs/running';
import { job } from './support/answers';
import { AWAY, FakeApi } from './support/fakeApi';
import { pageContextOf, doing, eventually, show, type FakePage } from './support/page';
import { trans } from './support/words';

let api: FakeApi;
let page: FakePage;

beforeEach(() => {
  api = new FakeApi();
  page = pageContextOf(api);
});

afterEach(() => {
  page.model.dispose();
});

const PIECE = 256 * 1024;

/** A service with this log, which gives so much of it at once. */
function serve(log: string): void {
  api.log = (id, offset) => {
    api.asked.push(`log ${id} ${offset}`);
    const text = log.slice(offset, offset + PIECE);
    return Promise.resolve({ text, offset, next_offset: offset + text.length, ended: false });
  };
}

describe('a log', () => {
  test('is shown as text without colours, and followed from where it was', async () => {
    serve('\u001b[31m<b>red</b>\u001b[0m');
    const log = new LogView(api, job({ state: 'running' }), trans);
    const node = await show(log);
    expect(node.querySelector('[role="log"]')?.textContent).toBe('<b>red</b>');
    expect(node.querySelector('b')).toBeNull();
    // It is asked for again after a second, which may have passed.
    expect(api.asked[0]).toBe('log j1 0');
    await eventually(() => {
      expect(new Set(api.asked.slice(1))).toEqual(new Set(['log j1 19']));
    });
    log.dispose();
  });

  test('of much colour is not cut for what is not shown of it', async () => {
    const red = '\u001b[31m'.repeat(150_000);
    const log = new LogView(api, job({ state: 'running' }), trans);
    const pieces = [`${red}first `, `${red}second`];
    api.log = (_, offset) => {
      const text = pieces[offset] ?? '';
      const next_offset = Math.min(offset + 1, pieces.length);
      return Promise.resolve({ text, offset, next_offset, ended: false });
    };
    const node = await show(log);
    await doing(() => {
      log.hide();
      log.show();
    });
    await eventually(() => {
      expect(node.querySelector('[role="log"]')?.textContent).toMatch(/^first second/);
    });
    log.dispose();
  });
});

describe('a long log', () => {
  test('is read to its end at once, and not a piece a second', async () => {
    serve(`${'x'.repeat(99)}\n`.repeat(30_000) + 'the end');
    const log = new LogView(api, job({ state: 'running' }), trans);
    const node = await show(log);
    const lines = node.querySelector('[role="log"]')?.textContent ?? '';
    expect(lines.endsWith('the end')).toBe(true);
    expect(lines.length).toBeLessThan(1_100_000);
    const asked = Array.from({ length: 12 }, (_, piece) => `log j1 ${piece * PIECE}`);
    expect(api.asked.slice(0, 12)).toEqual(asked);
    log.dispose();
  });

  test('is not read twice where its tab is shown again meanwhile', async () => {
    const log = new LogView(api, job({ state: 'running' }), trans);
    const end = 3_000_000;
    serve(`${'x'.repeat(99)}\n`.repeat(end / 100));
    const answer = api.log;
    api.log = async (id, offset) => {
      await new Promise(resolve => setTimeout(resolve, 10));
      return await answer(id, offset);
    };
    Widget.attach(log, document.body);
    await doing(() => {
      log.hide();
      log.show();
    });
    await eventually(() => {
      expect(api.asked.length).toBeGreaterThanOrEqual(12);
    });
    // What comes after the end is asked for each second.
    const read = api.asked.filter(each => each !== `log j1 ${end}`);
    expect(new Set(read).size).toBe(read.length);
    log.dispose();
  });

  test('of a bar that is drawn again and again is one line', async () => {
    const bar = Array.from({ length: 60_000 }, (_, step) => `\r${step} of 60000`).join('');
    serve(`begins\n${bar}`);
    const log = new LogView(api, job({ state: 'running' }), trans);
    const node = await show(log);
    expect(node.querySelector('[role="log"]')?.textContent).toBe('begins\n59999 of 60000');
    log.dispose();
  });
});

test('jobs that run come first, then those that wait, the next one first', () => {
  const waiting = [2, null, 1].map(place =>
    job({ job_id: String(place), state: 'waiting', place })
  );
  const others = [job({ job_id: 'runs', state: 'running' }), job({ state: 'done' })];
  const ids = underWay([...waiting, ...others]).map(each => each.job_id);
  expect(ids).toEqual(['runs', '1', '2', 'null']);
});

describe('the Running tab', () => {
  test('knows how jobs ended though nobody opened the panel, and looks again when told to', async () => {
    api.answers.jobs = [job({ state: 'failed', ended_at: new Date().toISOString() })];
    const running = new RunningJobs(page);
    await doing(() => {
      page.model.start();
    });
    expect(running.running().map(each => each.label())).toEqual(['train-digits · failed']);
    expect(api.asked.filter(each => each === 'jobs')).toHaveLength(1);
    await doing(() => {
      running.refreshRunning();
    });
    expect(api.asked.filter(each => each === 'jobs')).toHaveLength(2);
  });

  test('tells each job’s state in words, and cancels only what has not ended', async () => {
    api.answers.jobs = [
      job({ job_id: 'a', state: 'running', progress: 0.5 }),
      job({
        job_id: 'b',
        state: 'done',
        ended_at: new Date().toISOString(),
        output_path: 'r.ipynb'
      })
    ];
    const running = new RunningJobs(page);
    let changes = 0;
    running.runningChanged.connect(() => {
      changes += 1;
    });
    await doing(() => {
      page.model.start();
    });
    const [first, second] = running.running();
    expect([first?.label(), second?.label()]).toEqual([
      'train-digits · running 50 %',
      'train-digits · done'
    ]);
    expect(second?.shutdown).toBeUndefined();
    second?.open?.();
    first?.open?.();
    first?.shutdown?.();
    expect(page.did).toEqual(['open r.ipynb', 'log a']);
    expect(api.done).toEqual(['cancel a']);
    const settled = changes;
    await doing(() => {
      page.model.refresh();
    });
    expect(changes).toBe(settled);
  });

  test.each([
    [null, ['done: train-digits is told to stop; what it has computed is saved.']],
    [AWAY, ['failed: train-digits was not cancelled: The Sublet service is away.']],
    [new ApiError(409, 'conflict', 'job a is done already'), []]
  ])('what comes of cancelling is told: %s', async (problem, told) => {
    api.answers.jobs = [job({ job_id: 'a', state: 'running' })];
    const running = new RunningJobs(page);
    await doing(() => {
      page.model.start();
    });
    api.answers.deed = problem;
    await doing(() => {
      running.shutdownAll();
    });
    expect(api.done).toEqual(['cancel a']);
    expect(page.did).toEqual(told);
  });

  test('of many that are cancelled it is told once', async () => {
    api.answers.jobs = ['a', 'b'].map(job_id => job({ job_id }));
    const running = new RunningJobs(page);
    await doing(() => {
      page.model.start();
    });
    await doing(() => {
      running.shutdownAll();
    });
    expect(page.did).toEqual(['done: 2 jobs are told to stop; what they have computed is saved.']);
  });

  test('what ended long ago is left out', async () => {
    api.answers.jobs = [job({ state: 'done', ended_at: '2020-01-01T00:00:00Z' })];
    const running = new RunningJobs(page);
    await doing(() => {
      page.model.start();
    });
    expect(running.running()).toEqual([]);
  });
});
