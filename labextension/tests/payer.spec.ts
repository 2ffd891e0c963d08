import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { Promotion } from '../src/promote/promotion';
import { groupShare, share } from './support/answers';
import { FakeApi } from './support/fakeApi';
import { pageContextOf, doing, type FakePage } from './support/page';
import { button, CONTENTS, dialog, leave } from './support/promoteDialog';

let api: FakeApi;
let page: FakePage;

beforeEach(() => {
  api = new FakeApi();
  page = pageContextOf(api);
});

afterEach(async () => {
  await leave(page);
});

describe('the group that pays', () => {
  async function promoteWith(groups: Record<string, unknown>[]): Promise<HTMLElement | null> {
    api.answers.share = share({ quota: { groups } });
    await doing(() => {
      page.model.start();
    });
    await doing(() => {
      void new Promotion(page, CONTENTS).ofPath('a.ipynb');
    });
    return dialog().querySelector<HTMLElement>('[data-sublet-field="group"]');
  }

  test('is chosen by who has several, of those that may pay', async () => {
    const above = groupShare('science', { may_pay: false });
    const field = await promoteWith([groupShare('ml-101'), above, groupShare('nlp')]);
    const options = [...(field?.querySelectorAll('option') ?? [])].map(each => each.textContent);
    expect(options).toEqual(['whichever fits best', 'ml-101', 'nlp']);
    const select = field?.querySelector('select');
    expect(field?.querySelector('label')?.htmlFor).toBe(select?.id);
    await doing(() => {
      if (select != null) {
        select.value = 'nlp';
        select.dispatchEvent(new Event('change', { bubbles: true }));
      }
    });
    await doing(() => {
      button('Start training job').click();
    });
    expect(api.submitted.map(each => each.group)).toEqual(['nlp']);
  });

  test('is no question for who has one', async () => {
    expect(await promoteWith([groupShare('nlp')])).toBeNull();
  });
});
