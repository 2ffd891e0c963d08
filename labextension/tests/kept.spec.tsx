import { describe, expect, test } from 'vitest';

import { StatusItem } from '../src/status/statusItem';
import { localShare, share, slice } from './support/answers';
import { ABSENT, AWAY } from './support/fakeApi';
import { api, freshPanels, page, panel } from './support/freshPanel';
import { doing, openPanel, part, show } from './support/page';
import { trans } from './support/words';

freshPanels();

async function open(): Promise<HTMLElement> {
  return await openPanel(panel, page);
}

describe('what keeps memory cap and compute share', () => {
  const words = 'cannot be kept, because it is so';
  const kept = {
    compute_kept: { code: 'new', holds: 'cannot', words, meaning: `The share ${words}.` },
    cap_kept: { by: ['driver'], words: 'the driver', meaning: 'the driver, all together' }
  };

  test('is told in the words that are told by the agent, and explained', async () => {
    api.answers.local = localShare(kept);
    const node = await open();
    const compute = part(node, 'compute-kept');
    expect([compute.textContent, compute.title]).toEqual([words, `The share ${words}.`]);
    expect(compute.dataset.subletHolds).toBe('cannot');
    const cap = part(node, 'cap-kept-by');
    expect([cap.textContent, cap.title]).toEqual(['the driver', 'the driver, all together']);
  });

  test('is told as not known yet while it is being measured', async () => {
    const measured = 'not known yet, as its turns are being measured';
    const told = { code: 'being-measured', holds: 'not-known', words: measured, meaning: 'So.' };
    api.answers.local = localShare({ ...kept, compute_kept: told });
    const compute = part(await open(), 'compute-kept');
    expect(compute.textContent).toBe(measured);
    expect(compute.dataset.subletHolds).toBe('not-known');
  });

  test('is told also by the service, where the agent is not asked', async () => {
    api.answers.local = ABSENT;
    api.answers.share = share({ slices: [slice(kept)] });
    const node = await open();
    expect(part(node, 'compute-kept').textContent).toBe(words);
    expect(part(node, 'cap-kept-by').textContent).toBe('the driver');
  });

  test('is not told where nobody knows it', async () => {
    const node = await open();
    expect(node.querySelector('[data-sublet="compute-kept"]')).toBeNull();
    expect(node.querySelector('[data-sublet="cap-kept-by"]')).toBeNull();
  });

  test('of the share is not told of a moment that is over', async () => {
    api.answers.local = localShare(kept);
    const node = await open();
    api.answers.local = AWAY;
    await doing(() => {
      page.model.refresh();
    });
    expect(node.querySelector('[data-sublet="compute-kept"]')).toBeNull();
  });

  test('of the share is told by the status bar, too', async () => {
    api.answers.local = localShare(kept);
    const item = new StatusItem(page.model, trans, () => undefined);
    const node = await show(item);
    await doing(() => {
      page.model.start();
    });
    expect(part(node, 'status-button').title).toContain(`Compute share: ${words}.`);
    item.dispose();
  });
});
