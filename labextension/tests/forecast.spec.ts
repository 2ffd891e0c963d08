import { PromiseDelegate } from '@lumino/coreutils';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { readForecast, type Forecast } from '../src/api/jobs';
import { Reader } from '../src/api/reader';
import { Promotion } from '../src/promote/promotion';
import { FakeApi } from './support/fakeApi';
import { pageContextOf, doing, eventually, part, type FakePage } from './support/page';
import { CONTENTS, dialog, leave } from './support/promoteDialog';

let api: FakeApi;
let page: FakePage;

beforeEach(() => {
  api = new FakeApi();
  page = pageContextOf(api);
});

afterEach(async () => {
  await leave(page);
});

async function promote(): Promise<void> {
  await doing(() => {
    void new Promotion(page, CONTENTS).ofPath('a.ipynb');
  });
}

describe('the forecast', () => {
  test('of another form is not shown of this one', async () => {
    await promote();
    await eventually(() => {
      expect(part(dialog(), 'forecast').textContent).toBe('It would start at once.');
    });
    const answer = await api.forecast();
    const asked = new PromiseDelegate<Forecast>();
    api.forecast = () => asked.promise;
    await doing(() => {
      dialog().querySelectorAll<HTMLInputElement>('[data-sublet-field=size] input')[1]?.click();
    });
    expect(part(dialog(), 'forecast').textContent).toBe('Asking when it could start…');
    expect(part(dialog(), 'forecast').dataset.subletAllowed).toBeUndefined();
    asked.resolve(answer);
    await eventually(() => {
      expect(part(dialog(), 'forecast').textContent).toBe('It would start at once.');
    });
  });

  test('of a refusal says below it why, and what helps', async () => {
    api.answers.forecast = readForecast(
      new Reader({
        allowed: false,
        message: 'It would be refused.',
        problem: {
          reason: 'too-many-jobs',
          message: 'You have 5 jobs and may have 5.',
          why: { words: 'It follows from the limit of lab, line 7.' },
          helps: [{ words: 'cancel one' }]
        }
      })
    );
    await promote();
    await eventually(() => {
      expect(part(dialog(), 'forecast').textContent).toBe('You have 5 jobs and may have 5.');
    });
    const told = part(dialog(), 'decision').textContent;
    expect(told).toContain('the limit of lab, line 7');
    expect(told).toContain('cancel one');
  });
});
