import { describe, expect, test } from 'vitest';

import { ApiError } from '../src/api/client';
import { StatusItem } from '../src/status/statusItem';
import { share, slice } from './support/answers';
import { api, freshPanels, page, panel } from './support/freshPanel';
import { doing, openPanel, part, show } from './support/page';
import { trans } from './support/words';

const later = new Date(Date.now() + 1_500_000).toISOString();
const before = new Date(Date.now() - 300_000).toISOString();
const told = {
  announcement_id: 'idle-s1',
  text: 'Your server will be ended.',
  made_at: before,
  until: later,
  from_admin: false
};

freshPanels();

function idle(warned_at: string | null): Record<string, unknown> {
  return slice({ idle_end: { ends_at: later, max_idle_s: 7200, warned_at } });
}

describe('a server that is ended if it stays idle', () => {
  test('says when, and no more than that while it is not near', async () => {
    api.answers.share = share({ slices: [idle(null)] });
    const node = await openPanel(panel, page);
    expect(part(node, 'idle-end').textContent).toMatch(
      /^If it stays idle, your server is ended at .*\.$/
    );
    expect(node.querySelector('[data-sublet-warned]')).toBeNull();
    expect(part(node, 'extend').title).toContain('2 h');
  });

  test('warns once when its end is near, in the panel and in the status bar', async () => {
    api.answers.share = share({ slices: [idle(before)], announcements: [told] });
    const node = await openPanel(panel, page);
    expect(part(node, 'idle-end').textContent).toContain('run a cell, or extend it');
    expect(part(node, 'idle-end').getAttribute('role')).toBe('status');
    expect(node.querySelector('[data-sublet="announcement"]')).toBeNull();
    const item = new StatusItem(page.model, trans, () => undefined);
    const bar = await show(item);
    expect(part(bar, 'status-announcement').textContent).toBe('word from Sublet');
    expect(part(bar, 'status-button').title).toContain('Your server will be ended.');
    item.dispose();
  });

  test.each([
    [{ job_name: 'train', runs: true }, 'while job train, promoted from it, runs.'],
    [{ job_name: 'train', runs: false }, 'while job train, promoted from it, waits to go on.'],
    [{ job_name: 'train', runs: true, others: 1 }, 'while job train and another, promoted from'],
    [{ job_name: 'train', runs: true, others: 3 }, 'while job train and 3 others, promoted from']
  ])('says for which job it is not ended (%#)', async (spared, said) => {
    api.answers.share = share({ slices: [slice({ idle_spared: spared })] });
    const node = await openPanel(panel, page);
    expect(part(node, 'idle-spared').textContent).toContain(said);
    expect(node.querySelector('[data-sublet="idle-end"]')).toBeNull();
    expect(node.querySelector('[data-sublet="extend"]')).toBeNull();
  });

  test('is put off by the button, which says until when', async () => {
    api.answers.share = share({ slices: [idle(before)] });
    const node = await openPanel(panel, page);
    await doing(() => {
      part(node, 'extend').click();
    });
    expect(api.done).toEqual(['extend s1']);
    expect(part(node, 'said').textContent).toMatch(/^Your server may stay idle until .*\.$/);
  });

  test('tells why it cannot be put off', async () => {
    api.answers.share = share({ slices: [idle(before)] });
    api.answers.deed = new ApiError(409, 'conflict', 'It is being ended already.');
    const node = await openPanel(panel, page);
    await doing(() => {
      part(node, 'extend').click();
    });
    expect(part(node, 'said').textContent).toBe('It is being ended already.');
  });

  test('leaves the keyboard beside the button when a cell has run', async () => {
    api.answers.share = share({ slices: [idle(before)] });
    const node = await openPanel(panel, page);
    part(node, 'extend').focus();
    api.answers.share = share();
    await doing(() => {
      page.model.refresh();
    });
    expect(node.querySelector('[data-sublet="extend"]')).toBeNull();
    expect(node.querySelector('[data-sublet="idle-end"]')).toBeNull();
    expect((document.activeElement as HTMLElement).dataset.sublet).toBe('idle-place');
  });

  test('is told of in the panel of another server, too, and not as an admin’s word', async () => {
    const other = { ...told, announcement_id: 'idle-s2' };
    api.answers.share = share({ slices: [idle(before)], announcements: [other] });
    const node = await openPanel(panel, page);
    expect(part(node, 'announcement').textContent).toMatch(/^From Sublet, .*: Your server will/);
  });
});
