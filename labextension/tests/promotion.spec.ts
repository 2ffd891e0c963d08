import { Dialog } from '@jupyterlab/apputils';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { Contents } from '@jupyterlab/services';
import { PromiseDelegate } from '@lumino/coreutils';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { ApiError } from '../src/api/client';
import type { Job } from '../src/api/jobs';
import type { LiteralReading } from '../src/api/local';
import { Promotion } from '../src/promote/promotion';
import { inspection, job, literal } from './support/answers';
import { FakeApi } from './support/fakeApi';
import { pageContextOf, doing, part, write, type FakePage } from './support/page';
import { button, dialog, dialogs, leave, pressEscape, requestClose } from './support/promoteDialog';

const CONTENTS = {
  driveName: (path: string) => (path.startsWith('RTC:') ? 'RTC' : ''),
  localPath: (path: string) => path.replace(/^RTC:/, '')
} as Contents.IManager;

let api: FakeApi;
let page: FakePage;
let promotion: Promotion;
/** What the service says to the job, as soon as the test lets it. */
let answer: PromiseDelegate<Job>;

beforeEach(() => {
  api = new FakeApi();
  answer = new PromiseDelegate<Job>();
  api.submit = request => {
    api.submitted.push(request);
    return answer.promise;
  };
  page = pageContextOf(api);
  promotion = new Promotion(page, CONTENTS);
});

afterEach(async () => {
  await leave(page);
});

/** Past what a submission usually takes, and past the moment in which a press is not heeded. */
async function waitLong(): Promise<void> {
  await vi.advanceTimersByTimeAsync(10_600);
  await doing(() => undefined);
}

/** Promote a notebook; what comes of it is put into `told`. */
async function promote(path = 'a.ipynb'): Promise<{ told: (Job | null)[] }> {
  const told: (Job | null)[] = [];
  await doing(() => {
    void promotion.ofPath(path).then(found => told.push(found));
  });
  return { told };
}

async function startJob(): Promise<void> {
  await doing(() => {
    button('Start training job').click();
  });
}

describe('while a job is being submitted', () => {
  test('nothing closes the dialog, nothing can be changed, and it says so', async () => {
    const { told } = await promote();
    await startJob();
    expect(button('Submitting…').disabled).toBe(true);
    expect(button('Cancel').disabled).toBe(true);
    expect(part(dialog(), 'submitting').textContent).toContain('Submitting…');
    expect(dialog().querySelector('fieldset')?.disabled).toBe(true);
    await doing(() => {
      button('Cancel').click();
      const escape = new KeyboardEvent('keydown', { key: 'Escape', bubbles: true });
      part(dialog(), 'promote-form').dispatchEvent(escape);
      document.dispatchEvent(new MouseEvent('mousedown', { bubbles: true }));
      dialog().click();
      button('Submitting…').click();
    });
    expect(dialogs()).toHaveLength(1);
    expect(told).toEqual([]);
    await doing(() => {
      answer.resolve(job({ job_id: 'new' }));
    });
    expect(dialogs()).toEqual([]);
    expect(told.map(each => each?.job_id)).toEqual(['new']);
    expect(api.submitted).toHaveLength(1);
  });

  test('a close request is not followed', async () => {
    await promote();
    await startJob();
    await doing(requestClose);
    expect(dialogs()).toHaveLength(1);
  });

  test('of a dialog that Lab has disposed of the job is told all the same', async () => {
    const { told } = await promote();
    await startJob();
    await doing(() => {
      Dialog.flush();
    });
    expect([dialogs(), told]).toEqual([[], []]);
    await doing(() => {
      answer.resolve(job({ job_id: 'late' }));
    });
    expect(told.map(each => each?.job_id)).toEqual(['late']);
  });

  test('after a refusal all can be changed again, and it may be given up', async () => {
    const { told } = await promote();
    await startJob();
    await doing(() => {
      const decision = { why: 'Decided by a limit.', waits_for: [], helps: ['cancel a job'] };
      answer.reject(new ApiError(409, 'too-many', 'You have 2 jobs.', decision));
    });
    expect(part(dialog(), 'promote-refusal').textContent).toBe('You have 2 jobs.');
    expect(part(dialog(), 'decision').textContent).toContain('Decided by a limit.cancel a job');
    expect(button('Start training job').disabled).toBe(false);
    expect(document.activeElement).toBe(button('Start training job'));
    expect(dialog().querySelector('fieldset')?.disabled).toBe(false);
    await doing(() => {
      button('Cancel').click();
    });
    expect([dialogs(), told]).toEqual([[], [null]]);
  });
});

describe('while the submission takes long', () => {
  const LEAVE = 'Close, and tell me later';

  beforeEach(() => {
    vi.useFakeTimers({ shouldAdvanceTime: true, advanceTimeDelta: 5 });
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  test.each<[string, () => void]>([
    [
      'a click on the button for that',
      () => {
        button(LEAVE).click();
      }
    ],
    [
      'a click beside it',
      () => {
        dialog().click();
      }
    ],
    ['a close request', requestClose]
  ])('%s closes the dialog, and its job is told later', async (_, close) => {
    const { told } = await promote();
    await startJob();
    await waitLong();
    expect(part(dialog(), 'submitting').textContent).toContain('you can close this');
    await doing(close);
    expect([dialogs(), told]).toEqual([[], []]);
    await doing(() => {
      answer.resolve(job({ job_id: 'late' }));
    });
    expect(told.map(each => each?.job_id)).toEqual(['late']);
  });

  test('Escape closes it too, also when the focus was to leave it', async () => {
    await promote();
    await startJob();
    await waitLong();
    expect(document.activeElement).toBe(button(LEAVE));
    const behind = document.body.appendChild(document.createElement('button'));
    behind.focus();
    behind.remove();
    expect(document.activeElement).toBe(button(LEAVE));
    await doing(pressEscape);
    expect(dialogs()).toEqual([]);
  });

  test('a refusal after it was closed is told, and opens no dialog', async () => {
    const { told } = await promote();
    await startJob();
    await waitLong();
    await doing(pressEscape);
    await doing(() => {
      answer.reject(new ApiError(409, 'too-many', 'You have 2 jobs.'));
    });
    expect(page.did).toEqual(['failed: Training job train-digits: You have 2 jobs.']);
    expect(document.querySelector('.jp-Dialog')).toBeNull();
    expect(told).toEqual([null]);
  });

  test('who presses to leave as it is refused sees the refusal', async () => {
    const { told } = await promote();
    await startJob();
    await waitLong();
    await doing(() => {
      answer.reject(new ApiError(409, 'too-many', 'You have 2 jobs.'));
    });
    await doing(() => {
      button('Cancel').click();
      pressEscape();
    });
    expect(part(dialog(), 'promote-refusal').textContent).toBe('You have 2 jobs.');
    await vi.advanceTimersByTimeAsync(500);
    await doing(() => {
      button('Cancel').click();
    });
    expect([dialogs(), told]).toEqual([[], [null]]);
  });
});

test('what goes wrong before anything is sent leaves the dialog open to be changed', async () => {
  api.submit = () => {
    throw new Error('It cannot be written down.');
  };
  const { told } = await promote();
  await startJob();
  expect(part(dialog(), 'promote-refusal').textContent).toBe('It cannot be written down.');
  expect(button('Start training job').disabled).toBe(false);
  await doing(() => {
    button('Cancel').click();
  });
  expect([dialogs(), told]).toEqual([[], [null]]);
});

test('a dialog that Lab disposes of before anything was submitted means no job', async () => {
  const { told } = await promote();
  await doing(() => {
    Dialog.flush();
  });
  expect(told).toEqual([null]);
});

test('the dialog says that the job runs the notebook as it is now', async () => {
  await promote();
  expect(part(dialog(), 'promote-as-now').textContent).toBe(
    'The job runs the notebook as it is now: later edits do not change it. ' +
      'With nothing taken along it runs in the notebook’s folder.'
  );
});

describe('Enter', () => {
  async function press(element: HTMLElement | null): Promise<boolean> {
    const enter = new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true });
    await doing(() => {
      element?.focus();
      element?.dispatchEvent(enter);
    });
    return !enter.defaultPrevented;
  }

  test.each([
    'summary',
    '[data-sublet-field=retries] select',
    '[data-sublet-field=note] textarea',
    '[data-sublet-field=size] input[type=radio]',
    '[data-sublet=take-files] input[type=checkbox]'
  ])('on %s is its own, and starts no job', async where => {
    api.answers.inspection = inspection({
      parameters: [
        { name: 'note', type: 'str', default: '"a\\nb"', reading: literal('str', 'a\nb') }
      ],
      folder: { files: 1, entries: [{ path: 'a.csv', kind: 'file', files: 1, bytes: 5 }] }
    });
    await promote();
    await doing(() => {
      dialog().querySelectorAll<HTMLInputElement>('[data-sublet-field=take] input')[2]?.click();
    });
    await doing(() => {
      dialog().querySelector<HTMLInputElement>('[data-sublet=take-files] input')?.click();
    });
    expect(await press(dialog().querySelector<HTMLElement>(where))).toBe(true);
    expect(api.submitted).toEqual([]);
  });

  test('in a line of text starts the job', async () => {
    await promote();
    await press(dialog().querySelector<HTMLElement>('[data-sublet-field=name] input'));
    expect(api.submitted).toHaveLength(1);
  });
});

describe('how long a job may run', () => {
  async function told(hours: string): Promise<string> {
    await write(dialog().querySelector<HTMLElement>('[data-sublet-field=hours] input'), hours);
    return part(dialog(), 'promote-more').querySelector('summary')?.textContent ?? '';
  }

  test('is told where nothing was opened', async () => {
    await promote();
    expect(part(dialog(), 'promote-more').hasAttribute('open')).toBe(false);
    expect(part(dialog(), 'promote-more').querySelector('summary')?.textContent).toBe(
      'Limits and environment'
    );
    expect(await told('0.5')).toContain('stops after 30 min,');
    expect(await told('')).toBe('Limits and environment');
    expect(await told('soon')).toBe('Limits and environment');
  });
});

describe('a second click on the same notebook', () => {
  test('opens nothing and saves nothing, and another may be had afterwards', async () => {
    const saved = new PromiseDelegate<void>();
    let saves = 0;
    const context = {
      path: 'RTC:a.ipynb',
      contentsModel: {},
      model: { readOnly: false, dirty: true },
      save: async () => {
        saves += 1;
        await saved.promise;
        context.model.dirty = false;
      }
    };
    const open = context as unknown as DocumentRegistry.Context;
    const pending: boolean[] = [];
    promotion.pendingChanged.connect(() => pending.push(promotion.isPending('a.ipynb')));
    await doing(() => {
      void promotion.ofContext(open);
    });
    expect(pending).toEqual([true]);
    await expect(promotion.ofContext(open)).resolves.toBeNull();
    await expect(promotion.ofPath('a.ipynb')).resolves.toBeNull();
    await doing(() => {
      saved.resolve();
    });
    expect([saves, dialogs().length]).toEqual([1, 1]);
    await doing(() => {
      button('Cancel').click();
    });
    expect(pending).toEqual([true, false]);
    await promote();
    expect(dialogs()).toHaveLength(1);
  });
});

describe('a parameter that is true or false', () => {
  async function options(written: string, reading?: LiteralReading): Promise<[string, string[]]> {
    api.answers.inspection = inspection({
      parameters: [{ name: 'shuffle', type: 'bool', default: written, reading }]
    });
    await promote();
    const select = dialog().querySelector<HTMLSelectElement>('[data-sublet-field=shuffle] select');
    return [select?.value ?? '', [...(select?.options ?? [])].map(each => each.text)];
  }

  test('is shown with its value', async () => {
    expect(await options('False', literal('bool', false))).toEqual(['False', ['True', 'False']]);
  });

  test('and as it is in the notebook where that is reckoned', async () => {
    expect(await options('not quick')).toEqual([
      'not quick',
      ['as in the notebook', 'True', 'False']
    ]);
  });
});

test('a folder with more than is listed says how many more, and what to do', async () => {
  api.answers.inspection = inspection({
    folder: { files: 9, more: 7, entries: [{ path: 'a.csv', kind: 'file', files: 1, bytes: 5 }] }
  });
  await promote();
  await doing(() => {
    dialog().querySelectorAll<HTMLInputElement>('[data-sublet-field=take] input')[2]?.click();
  });
  expect(part(dialog(), 'take-more').textContent).toContain('and 7 more: put them into a folder');
});
