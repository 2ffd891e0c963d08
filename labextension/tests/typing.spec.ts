/** What is typed into the promote dialog as a parameter: Python reads it, in the notebook's server. */
import { Dialog } from '@jupyterlab/apputils';
import { PromiseDelegate } from '@lumino/coreutils';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { ApiError } from '../src/api/client';
import type { LiteralReading } from '../src/api/local';
import { Promotion } from '../src/promote/promotion';
import { TypedTexts } from '../src/promote/readings';
import { inspection, literal, NO_LITERAL } from './support/answers';
import { FakeApi } from './support/fakeApi';
import { doing, eventually, pageContextOf, part, write, type FakePage } from './support/page';
import { button, CONTENTS, dialog, dialogs, leave, pressEscape } from './support/promoteDialog';

const AWAY = new ApiError(0, 'unreachable', 'The notebook server cannot be reached: away');

let api: FakeApi;
let page: FakePage;

beforeEach(async () => {
  api = new FakeApi();
  api.answers.inspection = inspection({
    parameters: [
      { name: 'steps', type: 'int', default: '3', reading: literal('int', 3) },
      { name: 'note', type: 'str', default: '"a"', reading: literal('str', 'a') }
    ]
  });
  api.answers.readings = { '7': literal('int', 7), '8': literal('int', 8) };
  page = pageContextOf(api);
  await doing(() => {
    void new Promotion(page, CONTENTS).ofPath('a.ipynb');
  });
});

afterEach(async () => {
  await leave(page);
});

async function startJob(): Promise<void> {
  await doing(() => {
    button('Start training job').click();
  });
}

function steps(): HTMLElement {
  const found = dialog().querySelector<HTMLElement>('[data-sublet-field=steps]');
  expect(found).not.toBeNull();
  return found ?? document.body;
}

async function type(text: string, name = 'steps'): Promise<void> {
  await write(dialog().querySelector<HTMLElement>(`[data-sublet-field=${name}] input`), text);
}

function forecast(): string {
  return part(dialog(), 'forecast').textContent;
}

/** Let the server answer only when the test says so. */
function heldBack(): PromiseDelegate<LiteralReading[]> {
  const read = new PromiseDelegate<LiteralReading[]>();
  api.readLiterals = () => read.promise;
  return read;
}

test('is marked where it is wrong once it is read, and while it is corrected', async () => {
  const seven = heldBack();
  await type('seven');
  expect([steps().textContent, forecast()]).toEqual(['steps int', 'Asking when it could start…']);
  seven.resolve([NO_LITERAL]);
  await eventually(() => {
    expect(steps().textContent).toContain('steps must be a whole number, such as 10.');
  });
  expect(forecast()).toBe('Correct what is marked first.');
  const corrected = heldBack();
  await type('7');
  expect(steps().textContent).toContain('steps must be a whole number');
  corrected.resolve([literal('int', 7)]);
  await eventually(() => {
    expect([steps().textContent, forecast()]).toEqual(['steps int', 'It would start at once.']);
  });
});

test('is not asked for where it is a text', async () => {
  await type('b', 'note');
  await eventually(() => {
    expect(forecast()).toBe('It would start at once.');
  });
  expect(api.asked.filter(each => each.startsWith('read '))).toEqual([]);
});

test('is read before the job is submitted, however fast the button is pressed', async () => {
  const read = heldBack();
  await type('7');
  await startJob();
  expect(button('Submitting…').disabled).toBe(true);
  expect(button('Cancel').disabled).toBe(true);
  await doing(pressEscape);
  expect([dialogs().length, api.submitted]).toEqual([1, []]);
  await doing(() => {
    read.resolve([literal('int', 7)]);
  });
  expect(api.submitted.map(each => each.parameters)).toEqual([{ steps: 7 }]);
});

test('and no job is submitted where it is wrong', async () => {
  await type('seven');
  await startJob();
  expect(part(dialog(), 'promote-refusal').textContent).toBe(
    'Correct what is marked below, and start it again.'
  );
  expect(steps().textContent).toContain('steps must be a whole number, such as 10.');
  expect(button('Start training job').disabled).toBe(false);
  expect(api.submitted).toEqual([]);
});

test('a server that does not answer is told, and all can be changed and tried again', async () => {
  await type('seven');
  await eventually(() => {
    expect(steps().textContent).toContain('steps must be');
  });
  api.answers.readings = AWAY;
  await type('7');
  await eventually(() => {
    expect(forecast()).toBe(AWAY.message);
  });
  expect(steps().textContent).toBe('steps int');
  await startJob();
  expect(part(dialog(), 'promote-refusal').textContent).toBe(AWAY.message);
  expect(dialog().querySelector('fieldset')?.disabled).toBe(false);
  await type('3');
  await eventually(() => {
    expect(forecast()).toBe('It would start at once.');
  });
  await type('8');
  api.answers.readings = { '8': literal('int', 8) };
  await startJob();
  expect(api.submitted.map(each => each.parameters)).toEqual([{ steps: 8 }]);
});

test('a server that reads only a part is told, too', async () => {
  api.readLiterals = () => Promise.resolve([]);
  await type('7');
  await startJob();
  expect(part(dialog(), 'promote-refusal').textContent).toContain('reload the page');
});

test('a dialog that Lab disposes of while it is read submits nothing', async () => {
  const read = heldBack();
  await type('7');
  await startJob();
  await doing(() => {
    Dialog.flush();
  });
  await doing(() => {
    read.resolve([literal('int', 7)]);
  });
  expect([dialogs(), api.submitted]).toEqual([[], []]);
});

test('is asked for once, when nothing more has been typed for a moment', async () => {
  vi.useFakeTimers();
  try {
    const texts = new TypedTexts(api, () => undefined);
    texts.readSoon(['7', 'seven']);
    await vi.advanceTimersByTimeAsync(299);
    texts.readSoon(['8']);
    await vi.advanceTimersByTimeAsync(299);
    expect(api.asked).not.toContain('read 8');
    await vi.advanceTimersByTimeAsync(1);
    expect(api.asked.filter(each => each.startsWith('read '))).toEqual(['read 8']);
    expect([...texts.readings]).toEqual([['8', literal('int', 8)]]);
    texts.readSoon(['7']);
    texts.stop();
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
