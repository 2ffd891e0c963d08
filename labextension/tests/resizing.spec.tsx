import { describe, expect, test } from 'vitest';

import { localShare } from './support/answers';
import { api, freshPanels, page, panel } from './support/freshPanel';
import { doing, openPanel, part, write } from './support/page';

freshPanels();

async function openForm(): Promise<HTMLElement> {
  const node = await openPanel(panel, page);
  await doing(() => {
    part(node, 'resize').click();
  });
  return part(node, 'resize-form');
}

async function submit(form: HTMLElement): Promise<void> {
  await doing(() => {
    form.dispatchEvent(new Event('submit', { bubbles: true, cancelable: true }));
  });
}

describe('resizing', () => {
  test('asks for what was changed only', async () => {
    const form = await openForm();
    await write(part(form, 'resize-memory'), '20');
    await submit(form);
    expect(api.done).toEqual(['resize s1 {"memory_mib":20480}']);
  });

  test('below what is held it says what to do, and asks nothing', async () => {
    const form = await openForm();
    await write(part(form, 'resize-memory'), '2');
    expect(form.textContent).toContain('You hold 10 GiB: free some of it first');
    expect(api.done).toEqual([]);
  });
});

describe('an amount that rounds to nothing, or that is endless', () => {
  test.each([
    ['resize-compute', '0.01', 'from 0.1 to 100'],
    ['resize-compute', 'Infinity', 'from 0.1 to 100'],
    ['resize-memory', '0.0001', 'a number of GiB'],
    ['resize-memory', 'Infinity', 'a number of GiB']
  ])('%s of %s is refused before it is sent', async (name, text, complaint) => {
    api.answers.local = localShare({ gpu_memory_mib: 0 });
    const form = await openForm();
    await write(part(form, name), text);
    await submit(form);
    expect(form.textContent).toContain(complaint);
    expect(api.done).toEqual([]);
  });
});

describe('resizing on a card whose size is shown rounded up', () => {
  async function send(memory: string, fields: Record<string, unknown>): Promise<string> {
    api.answers.local = localShare({ gpu_memory_mib: 24564, ...fields });
    const form = await openForm();
    await write(part(form, 'resize-memory'), memory);
    await submit(form);
    return form.textContent;
  }

  test('the whole card can be asked for as it is shown', async () => {
    await send('24', { cap_mib: 10240 });
    expect(api.done).toEqual(['resize s1 {"memory_mib":24564}']);
  });

  test('who has it all may change the compute share alone', async () => {
    const node = await send('24', { cap_mib: 24564, memory_mib: 24560 });
    expect(node).not.toContain('The whole GPU has');
    expect(api.done).toEqual([]);
  });

  test('who holds more than the cap may leave the cap as it is', async () => {
    expect(await send('10', { cap_mib: 10240, memory_mib: 10600 })).not.toContain('free some of');
  });

  test('more than the card is still too much', async () => {
    expect(await send('24.1', { cap_mib: 10240 })).toContain('The whole GPU has 24 GiB');
  });
});
