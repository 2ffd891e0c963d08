import { PromiseDelegate } from '@lumino/coreutils';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { keepChoices } from '../src/panel/KeepPart';
import { AT_WORK, job, kernel, LENT, localShare, share, slice, standing } from './support/answers';
import { AWAY } from './support/fakeApi';
import { api, freshPanels, page, panel } from './support/freshPanel';
import { doing, openPanel, part } from './support/page';

freshPanels();

/** Press it as who uses no mouse does; gives what has the focus after all is drawn anew. */
async function press(button: HTMLElement): Promise<string | undefined> {
  button.focus();
  await doing(() => {
    button.click();
  });
  return focused();
}

function focused(): string | undefined {
  const element = document.activeElement;
  return element instanceof HTMLElement ? element.dataset.sublet : undefined;
}

describe('the keyboard stays where it was', () => {
  test('when a slice is kept, and no longer', async () => {
    const node = await openPanel(panel, page);
    api.keep = async (_, minutes) => {
      const until = new Date(Date.now() + minutes * 60_000);
      api.answers.share = share({ slices: [slice({ kept_until: until.toISOString() })] });
      await Promise.resolve();
    };
    expect(await press(part(node, 'keep'))).toBe('keep-end');
    expect(await press(part(node, 'keep-end'))).toBe('keep');
  });

  test('when a slice is given up, lent and brought back', async () => {
    const node = await openPanel(panel, page);
    api.answers.local = localShare(LENT);
    expect(await press(part(node, 'give-up'))).toBe('wake');
    api.answers.local = localShare(AT_WORK);
    expect(await press(part(node, 'wake'))).toBe('give-up');
  });

  test('when a slice is kept from elsewhere: on the button beside what is gone', async () => {
    const node = await openPanel(panel, page);
    part(node, 'keep-minutes').focus();
    const until = new Date(Date.now() + 60_000).toISOString();
    api.answers.share = share({ slices: [slice({ kept_until: until })] });
    await doing(() => {
      page.model.refresh();
    });
    expect(focused()).toBe('keep-end');
  });

  test('when a job is cancelled', async () => {
    api.answers.jobs = [job({ state: 'running' }), job({ job_id: 'j2', state: 'running' })];
    const node = await openPanel(panel, page);
    api.answers.jobs = [job({ state: 'cancelled' }), job({ job_id: 'j2', state: 'running' })];
    expect(await press(part(node, 'job-cancel'))).toBe('job-again');
    expect(document.activeElement?.closest('[data-sublet-job]')).toBe(
      node.querySelector('[data-sublet-job="j1"]')
    );
  });

  test('when a cell no longer waits: on its notebook', async () => {
    api.answers.kernels = [kernel({ waits: true })];
    const node = await openPanel(panel, page);
    api.answers.kernels = [kernel({ waits: false })];
    expect(await press(part(node, 'interrupt'))).toBe('kernel');
  });

  test('but is left alone where it was elsewhere when a cell no longer waits', async () => {
    api.answers.kernels = [kernel({ waits: true })];
    const node = await openPanel(panel, page);
    part(node, 'resize').focus();
    api.answers.kernels = [kernel({ waits: false })];
    await doing(() => {
      page.model.refresh();
    });
    expect(focused()).toBe('resize');
  });

  test('when the form for another size is closed: on the button that opened it', async () => {
    const node = await openPanel(panel, page);
    await press(part(node, 'resize'));
    expect(await press(part(node, 'resize-close'))).toBe('resize');
  });

  test('while something is done, which is not done twice', async () => {
    const node = await openPanel(panel, page);
    const done = new PromiseDelegate<void>();
    api.giveUp = async id => {
      api.done.push(`give up ${id}`);
      await done.promise;
    };
    const button = part(node, 'give-up');
    expect(await press(button)).toBe('give-up');
    expect(await press(button)).toBe('give-up');
    expect([button.getAttribute('aria-disabled'), button.hasAttribute('disabled')]).toEqual([
      'true',
      false
    ]);
    expect(api.done).toEqual(['give up s1']);
    await doing(() => {
      done.resolve();
    });
    expect(button.getAttribute('aria-disabled')).toBeNull();
  });

  test('when the hub goes away', async () => {
    const node = await openPanel(panel, page);
    part(node, 'keep').focus();
    api.answers.share = AWAY;
    await doing(() => {
      page.model.refresh();
    });
    expect([focused(), part(node, 'keep').getAttribute('aria-disabled')]).toEqual(['keep', 'true']);
  });
});

describe('a button that comes to mean something else under the hand', () => {
  const kept = (): void => {
    const until = new Date(Date.now() + 60_000).toISOString();
    api.answers.share = share({ slices: [slice({ kept_until: until })] });
  };
  const lent = (): void => {
    api.answers.local = localShare(LENT);
  };
  const ended = (): void => {
    api.answers.jobs = [job({ state: 'done' })];
  };

  beforeEach(() => {
    vi.useFakeTimers({ shouldAdvanceTime: true, advanceTimeDelta: 5 });
    api.answers.jobs = [job({ state: 'running' })];
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  async function afterPoll(change: () => void): Promise<HTMLElement> {
    const node = await openPanel(panel, page);
    change();
    await doing(() => {
      page.model.refresh();
    });
    return node;
  }

  test.each([
    ['keep-end', kept, 'keep s1 0'],
    ['wake', lent, 'wake s1'],
    ['job-again', ended, 'again j1']
  ])('does nothing at once as %s, and what it says a moment later', async (name, change, deed) => {
    const node = await afterPoll(change);
    await press(part(node, name));
    expect(api.done).toEqual([]);
    await vi.advanceTimersByTimeAsync(500);
    await press(part(node, name));
    expect(api.done).toEqual([deed]);
  });

  test('does not take back by a double click what its first press did', async () => {
    const node = await openPanel(panel, page);
    lent();
    await press(part(node, 'give-up'));
    await doing(() => {
      part(node, 'wake').dispatchEvent(new MouseEvent('click', { bubbles: true, detail: 2 }));
    });
    expect(api.done).toEqual(['give up s1']);
  });
});

test('a return is announced once, and not with each step', async () => {
  const move = { kind: 'resuming', bytes_mib: 8192, moved_mib: 0, expected_s: 4, elapsed_s: 0 };
  const node = await openPanel(panel, page);
  const announced = part(node, 'announced');
  expect([announced.getAttribute('role'), announced.textContent]).toEqual(['status', '']);
  const said = new Set<string>();
  for (const moved_mib of [1024, 4096, 8192]) {
    api.answers.local = localShare({
      standing: standing('coming-back', 'coming back'),
      move: { ...move, moved_mib }
    });
    await doing(() => {
      page.model.refresh();
    });
    said.add(announced.textContent);
    expect(part(node, 'progress').closest('[role="status"], [aria-live]')).toBeNull();
  }
  expect([...said]).toEqual(['What coming back means.']);
});

describe('for how long a slice can be kept', () => {
  test.each<[number | null, number[]]>([
    [null, [15, 30, 60, 120, 240]],
    [1440, [15, 30, 60, 120, 240]],
    [100, [15, 30, 60, 100]],
    [30, [15, 30]],
    [10, [10]],
    [0, []]
  ])('with %j minutes left: %j', (left, choices) => {
    expect(keepChoices(left)).toEqual(choices);
  });

  test('little that is left is offered, and asked for', async () => {
    api.answers.share = share({ quota: { keep_left_minutes: 10 } });
    const node = await openPanel(panel, page);
    expect(part(node, 'keep-minutes').textContent).toBe('10 min (all that is left)');
    await press(part(node, 'keep'));
    expect(api.done).toEqual(['keep s1 10']);
  });

  test('with nothing left nothing is asked for', async () => {
    api.answers.share = share({ quota: { keep_left_minutes: 0 } });
    const node = await openPanel(panel, page);
    expect(part(node, 'keep-minutes').textContent).toBe('none left today');
    await press(part(node, 'keep'));
    expect(api.done).toEqual([]);
  });
});
