import { describe, expect, test, vi } from 'vitest';

import { ApiError } from '../src/api/client';
import { readDecision } from '../src/api/decision';
import { Reader } from '../src/api/reader';
import { StatusItem } from '../src/status/statusItem';
import { job, kernel, LENT, localShare, share, slice, standing } from './support/answers';
import { ABSENT, AWAY } from './support/fakeApi';
import { api, freshPanels, page, panel } from './support/freshPanel';
import { doing, openPanel, part, show } from './support/page';
import { trans } from './support/words';

const HTML = '<img src=x onerror="window.hurt=1"> "it\'s" 🚀';

freshPanels();

async function open(): Promise<HTMLElement> {
  return await openPanel(panel, page);
}

describe('the panel', () => {
  test('tells amount, standing and GPU', async () => {
    const node = await open();
    const card = part(node, 'slice');
    expect(card.textContent).toContain('10 of 40 GiB');
    expect(card.textContent).toContain('simulated');
    expect(part(node, 'standing').textContent).toBe('idle');
    expect(card.querySelector('[role="meter"]')?.getAttribute('aria-valuetext')).toBe(
      '10 of 40 GiB'
    );
  });

  test('tells a standing that it does not know by the words it came with', async () => {
    api.answers.local = localShare({ standing: standing('adrift', 'far away') });
    const node = await open();
    expect(part(node, 'standing').textContent).toBe('far away');
    expect(part(node, 'standing').querySelector('svg')).not.toBeNull();
    expect(part(node, 'slice').textContent).toContain('What far away means.');
  });

  test('what users wrote is text, never HTML', async () => {
    api.answers.jobs = [
      job({
        name: HTML,
        state: 'failed',
        failure: { cell: 2, name: HTML, message: HTML, traceback: HTML }
      })
    ];
    api.answers.kernels = [kernel({ notebook: HTML })];
    api.answers.share = share({
      slices: [slice({ lent_to: [HTML] })],
      offers: [{ size: 's', title: HTML, why_not: HTML }]
    });
    const node = await open();
    expect(part(node, 'job').textContent).toContain(HTML);
    expect(node.querySelector('img')).toBeNull();
  });

  test('each button does what it says', async () => {
    api.answers.jobs = [
      job({ job_id: 'j2', state: 'running' }),
      job({ state: 'done', output_path: 'sublet-jobs/j1.ipynb' })
    ];
    api.answers.kernels = [kernel({ waits: true })];
    const node = await open();
    for (const name of ['keep', 'give-up', 'interrupt', 'job-cancel', 'job-again']) {
      await doing(() => {
        part(node, name).click();
      });
    }
    expect(api.done).toEqual(['keep s1 30', 'give up s1', 'interrupt k1', 'cancel j2', 'again j1']);
    part(node, 'job-log').click();
    part(node, 'job-open').click();
    part(node, 'promote').click();
    expect(page.did).toEqual(['log j2', 'open sublet-jobs/j1.ipynb', 'promote']);
  });

  test('a kernel that waits says so as soon as the agent does', async () => {
    api.answers.local = localShare({ waiting_kernels: ['k1'] });
    api.answers.kernels = [kernel({ state: 'idle', waits: false })];
    const node = await open();
    expect(part(node, 'kernel').textContent).toContain('waits for the GPU');
    expect(part(node, 'interrupt')).not.toBeNull();
  });

  test('a kernel whose notebook still opens is not called by an id', async () => {
    api.answers.kernels = [kernel({ notebook: 'a/39e8a2bd-713e-49c1-8531-0123456789ab' })];
    const node = await open();
    expect(part(node, 'kernel').textContent).toContain('python3');
    expect(part(node, 'kernel').textContent).not.toContain('39e8');
  });

  test('a refusal is told in the service’s words', async () => {
    api.answers.deed = new ApiError(409, 'keep-budget', 'You have kept for 4 h today.');
    const node = await open();
    await doing(() => {
      part(node, 'keep').click();
    });
    const said = part(node, 'said');
    expect([said.getAttribute('role'), said.textContent]).toEqual([
      'alert',
      'You have kept for 4 h today.'
    ]);
  });

  test('what a refusal follows from and what helps stands below it', async () => {
    const decision = readDecision(
      new Reader({
        why: { rule: 'limit', words: HTML },
        helps: [{ kind: 'admin', words: 'ask an administrator' }, { kind: 'newer' }],
        waits_for: ["'b'", 'users without a group']
      })
    );
    api.answers.deed = new ApiError(409, 'keep-budget', 'No.', decision);
    const node = await open();
    await doing(() => {
      part(node, 'keep').click();
    });
    expect(part(node, 'said').textContent).toBe('No.');
    const told = part(node, 'decision');
    expect([...told.querySelectorAll('p, li')].map(each => each.textContent)).toEqual([
      HTML,
      "In the way are slices of 'b', users without a group.",
      'ask an administrator'
    ]);
  });

  test('while a cell runs the slice cannot be given up', async () => {
    api.answers.local = localShare({ running_cell: true });
    const node = await open();
    expect(part(node, 'give-up').getAttribute('aria-disabled')).toBe('true');
  });

  test('a failed job shows its cell and its traceback', async () => {
    const failure = { cell: 3, name: 'KeyError', message: "'x'", traceback: 'line 1\nline 2' };
    api.answers.jobs = [job({ state: 'failed', failure })];
    const node = await open();
    expect(part(node, 'job-line').textContent).toBe("Cell 3: KeyError: 'x'");
    expect(part(node, 'traceback').textContent).toBe('line 1\nline 2');
  });

  test('a running job shows how far it is', async () => {
    api.answers.jobs = [job({ state: 'running', progress: 0.4, cells_total: 5, current_cell: 3 })];
    const node = await open();
    const bar = part(node, 'job').querySelector('[role="progressbar"]');
    expect(bar?.getAttribute('aria-valuenow')).toBe('40');
  });

  test('a job with a longest run says when it is stopped', async () => {
    api.answers.jobs = [job({ state: 'waiting', max_run_s: 3600 })];
    const node = await open();
    expect(part(node, 'job-limit').textContent).toBe(
      'It will be stopped after 1 h, pauses not counted.'
    );
  });

  test('with the hub away the slice is told first-hand, and nothing can be asked of the hub', async () => {
    const node = await open();
    api.answers.share = AWAY;
    await doing(() => {
      page.model.refresh();
    });
    expect(part(node, 'hub-away').textContent).toContain('The Sublet service is away.');
    expect(part(node, 'standing').textContent).toBe('idle');
    expect(part(node, 'keep').getAttribute('aria-disabled')).toBe('true');
  });

  test('with the agent away its last word is grey, with when it was seen', async () => {
    const node = await open();
    api.answers.local = AWAY;
    await doing(() => {
      page.model.refresh();
    });
    expect(part(node, 'slice').className).toContain('sublet-stale');
    expect(part(node, 'seen-at').textContent).toMatch(/^Last seen at /);
  });
});

describe('where nothing was seen yet', () => {
  test('of a slice that cannot be reached nobody is told to stop the server', async () => {
    api.answers.share = AWAY;
    api.answers.local = new ApiError(503, 'no-share', 'the GPU agent does not answer');
    const node = await open();
    expect(part(node, 'unreachable').textContent).toMatch(
      /leave this server and its kernels running\..* The GPU agent does not answer\.$/
    );
    expect(node.textContent).not.toContain('Stop it');
    expect(part(node, 'hub-away').textContent).toContain('The Sublet service is away.');
    api.answers.share = share({ slices: [] });
    await doing(() => {
      page.model.refresh();
    });
    expect(part(node, 'no-slice').textContent).toContain('has no slice of a GPU. Stop it');
  });

  test('before anybody has answered it says that they are asked', async () => {
    const node = await show(panel);
    expect(node.textContent).toBe('Asking how your slice stands…');
  });

  test('with the service away it says what is missing for that', async () => {
    api.answers.share = AWAY;
    const node = await open();
    expect(part(node, 'standing').textContent).toBe('idle');
    expect(part(node, 'hub-away').textContent).toBe(
      'The hub does not answer. Your quota, your training jobs and the buttons for your slice are ' +
        'missing until it does. The Sublet service is away.'
    );
  });
});

describe('what came of an action', () => {
  async function giveUp(): Promise<HTMLElement> {
    const node = await open();
    await doing(() => {
      part(node, 'give-up').click();
    });
    expect(part(node, 'said').textContent).toContain('Given up for now');
    return node;
  }

  test('is forgotten when the slice is in use again', async () => {
    const node = await giveUp();
    api.answers.local = localShare(LENT);
    await doing(() => {
      page.model.refresh();
    });
    expect(part(node, 'standing').textContent).toBe('lent');
    expect(node.querySelector('[data-sublet="said"]')).toBeNull();
  });

  test('of keeping the slice is told also while it is in use', async () => {
    const node = await open();
    await doing(() => {
      part(node, 'keep').click();
    });
    api.answers.local = localShare(LENT);
    await doing(() => {
      page.model.refresh();
    });
    expect(part(node, 'said').textContent).toContain('Kept: nobody else uses your slice');
  });

  test('of a slice that others use is to have it back', async () => {
    api.answers.local = localShare(LENT);
    const node = await open();
    expect(node.querySelector('[data-sublet="give-up"]')).toBeNull();
    await doing(() => {
      part(node, 'wake').click();
    });
    expect(api.done).toContain('wake s1');
  });

  test('is forgotten after a while', async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    const node = await giveUp();
    await vi.advanceTimersByTimeAsync(31_000);
    await doing(() => undefined);
    expect(node.querySelector('[data-sublet="said"]')).toBeNull();
    vi.useRealTimers();
  });

  test('of a job is forgotten when the job has ended', async () => {
    api.answers.jobs = [job({ state: 'running' })];
    const node = await open();
    await doing(() => {
      part(node, 'job-cancel').click();
    });
    expect(part(node, 'said').textContent).toContain('It is told to stop');
    api.answers.jobs = [job({ state: 'cancelled' })];
    await doing(() => {
      page.model.refresh();
    });
    expect(part(node, 'job').textContent).toContain('cancelled');
    expect(node.querySelector('[data-sublet="said"]')).toBeNull();
  });
});

describe('what cannot be moved', () => {
  test('is told with the reason and what to do', async () => {
    api.answers.local = localShare({
      warnings: [
        {
          code: 'unsuspendable',
          clause: 'cannot be moved: process 7 has managed memory',
          advice: 'Allocate ordinary memory instead of managed memory.'
        }
      ]
    });
    const node = await open();
    expect(part(node, 'unsuspendable').textContent).toBe(
      'Your slice cannot be moved: process 7 has managed memory. Allocate ordinary memory instead of managed memory.'
    );
  });

  test('where there is no advice, none is added', async () => {
    api.answers.local = localShare({
      warnings: [{ code: 'unsuspendable', clause: 'its engine says managed, shared, MPS' }]
    });
    const node = await open();
    expect(part(node, 'unsuspendable').textContent).toMatch(/managed, shared, MPS\.\s*$/);
  });

  test('is told also by the service, where the agent is not asked', async () => {
    api.answers.local = ABSENT;
    const warnings = [{ code: 'unsuspendable', clause: 'cannot be moved' }];
    api.answers.share = share({ slices: [slice({ warnings })] });
    const node = await open();
    expect(part(node, 'unsuspendable').textContent).toContain('Your slice cannot be moved.');
  });
});

describe('a slice over its cap', () => {
  test('is told so in the words that are told, and not that it is nearly full', async () => {
    api.answers.local = localShare({
      memory_mib: 41_984,
      over_cap: true,
      warnings: [{ code: 'over-cap', clause: 'holds 41 GiB', advice: 'Free some.' }]
    });
    const node = await open();
    expect(part(node, 'over-cap').textContent).toBe('Your slice holds 41 GiB. Free some.');
    expect(node.querySelector('[data-sublet="near-cap"]')).toBeNull();
  });
});

describe('a slice near its cap', () => {
  test('is told so in the words that are told, by agent or service', async () => {
    const warnings = [{ code: 'near-cap', clause: 'holds 37 GiB', advice: 'Free some.' }];
    api.answers.local = localShare({ memory_mib: 37_888, warnings });
    const node = await open();
    expect(part(node, 'near-cap').textContent).toBe('Your slice holds 37 GiB. Free some.');
    api.answers.local = ABSENT;
    api.answers.share = share({ slices: [slice({ warnings })] });
    await doing(() => {
      page.model.refresh();
    });
    expect(part(node, 'near-cap').textContent).toBe('Your slice holds 37 GiB. Free some.');
  });
});

describe('the status bar', () => {
  test.each([
    [{ memory_mib: 37_888 }, 'near-cap', 'near its cap'],
    [{ memory_mib: 41_984, over_cap: true }, 'over-cap', 'over its cap']
  ])('warns of the cap in a word, and in the words that are told', async (held, code, word) => {
    const warnings = [{ code, clause: 'holds much', advice: 'Free some.' }];
    api.answers.local = localShare({ ...held, warnings });
    const item = new StatusItem(page.model, trans, () => undefined);
    const node = await show(item);
    await doing(() => {
      page.model.start();
    });
    const button = part(node, 'status-button');
    expect(button.textContent).toContain(word);
    expect(button.title).toContain('Your slice holds much. Free some.');
    item.dispose();
  });

  test('tells amount, word and what it means, and opens the panel', async () => {
    let opened = 0;
    const item = new StatusItem(page.model, trans, () => {
      opened += 1;
    });
    const node = await show(item);
    await doing(() => {
      page.model.start();
    });
    const button = part(node, 'status-button');
    expect(button.textContent).toBe('GPU 10 of 40 GiB · idle');
    expect(button.getAttribute('aria-label')).toBe('GPU 10 of 40 GiB. idle. What idle means');
    button.click();
    expect(opened).toBe(1);
    item.dispose();
  });

  test('without a slice it is empty', async () => {
    const item = new StatusItem(page.model, trans, () => undefined);
    expect((await show(item)).textContent).toBe('');
    item.dispose();
  });
});
