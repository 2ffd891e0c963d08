import { describe, expect, test } from 'vitest';

import { StatusItem } from '../src/status/statusItem';
import { share } from './support/answers';
import { ABSENT } from './support/fakeApi';
import { api, freshPanels, page, panel } from './support/freshPanel';
import { doing, openPanel, part, show } from './support/page';
import { trans } from './support/words';

const HTML = '<img src=x onerror="window.hurt=1"> [a](b) *c*';

freshPanels();

async function open(): Promise<HTMLElement> {
  return await openPanel(panel, page);
}

describe('what admins tell', () => {
  const told = (text: string, until: Date): Record<string, unknown> => ({
    announcement_id: text,
    text,
    made_at: new Date().toISOString(),
    until: until.toISOString()
  });
  const later = new Date(Date.now() + 3_600_000);
  const before = new Date(Date.now() - 1000);

  test('is shown as text, whatever is in it, until it ends', async () => {
    api.answers.share = share({ announcements: [told(HTML, later), told('is over', before)] });
    const node = await open();
    const shown = [...node.querySelectorAll('[data-sublet="announcement"]')];
    expect(shown).toHaveLength(1);
    expect(shown[0]?.textContent).toMatch(/^From an admin, .*: /);
    expect(shown[0]?.textContent).toContain(HTML);
    expect(shown[0]?.getAttribute('role')).toBe('status');
    expect(node.querySelector('img')).toBeNull();
  });

  test('is shown also to who has no slice', async () => {
    api.answers.local = ABSENT;
    api.answers.share = share({ slices: [], announcements: [told('save your work', later)] });
    const node = await open();
    expect(part(node, 'announcement').textContent).toContain('save your work');
  });

  test('is gone when it was taken back', async () => {
    api.answers.share = share({ announcements: [told('save your work', later)] });
    const node = await open();
    api.answers.share = share();
    await doing(() => {
      page.model.refresh();
    });
    expect(node.querySelector('[data-sublet="announcement"]')).toBeNull();
  });

  test("is not said to be an admin's word where the service tells of a budget", async () => {
    const said = { ...told('The budget of lab has 2 h left of 10 h.', later), from_admin: false };
    api.answers.share = share({ announcements: [said] });
    const node = await open();
    expect(part(node, 'announcement').textContent).toMatch(
      /^From Sublet, .*: The budget of lab has/
    );
    const item = new StatusItem(page.model, trans, () => undefined);
    const shown = await show(item);
    expect(part(shown, 'status-announcement').textContent).toBe('word from Sublet');
    item.dispose();
  });

  test("has this browser's times where Sublet tells it, and an admin's where they wrote them", async () => {
    const text = 'Ends at 2026-11-30 14:05 UTC.';
    const word = { ...told(text, later), from_admin: false };
    api.answers.share = share({
      announcements: [word, { ...told(text, later), announcement_id: 'a2' }]
    });
    const node = await open();
    const [own, admins] = node.querySelectorAll('[data-sublet="announcement"]');
    expect(own?.textContent).not.toContain('UTC');
    expect(admins?.textContent).toContain(text);
  });

  test('has a sign in the status bar', async () => {
    api.answers.share = share({ announcements: [told('save your work', later)] });
    const item = new StatusItem(page.model, trans, () => undefined);
    const node = await show(item);
    await doing(() => {
      page.model.start();
    });
    expect(part(node, 'status-announcement').textContent).toBe('word from an admin');
    expect(part(node, 'status-button').title).toContain('save your work');
    item.dispose();
  });
});
