import { describe, expect, test } from 'vitest';

import { share } from './support/answers';
import { api, freshPanels, page, panel } from './support/freshPanel';
import { openPanel, part } from './support/page';

freshPanels();

const at = new Date(Date.now() + 600_000).toISOString();

function ahead(more: Record<string, unknown>): Record<string, unknown> {
  return {
    notice_id: 'e1',
    kind: 'server-evicted',
    what: 'Your server is stopped.',
    why: 'By root: <b>fans</b> fail since 2026-12-02 09:00 UTC.',
    advice: 'Save your work before then.',
    at,
    is_near: true,
    slice_id: 's1',
    deed: null,
    why_no_deed: 'An admin stops it.',
    ...more
  };
}

describe('what will be taken', () => {
  test('is told with when, why, what can be done, and why no button puts it off', async () => {
    const told = {
      announcement_id: 'e1',
      text: 'Your server will be stopped.',
      made_at: at,
      until: at,
      from_admin: true
    };
    api.answers.share = share({ ahead: [ahead({})], announcements: [told] });
    const node = await openPanel(panel, page);
    const row = part(node, 'ahead-row');
    expect(row.textContent).toContain('Your server is stopped.');
    expect(row.textContent).toContain('By root: <b>fans</b> fail since');
    expect(row.textContent).not.toContain('UTC');
    expect(row.textContent).toContain('Save your work before then. An admin stops it.');
    expect(row.getAttribute('role')).toBe('status');
    // The row tells it: it is not told twice.
    expect(node.querySelector('[data-sublet="announcement"]')).toBeNull();
  });

  test('of this server stands with its slice, where its button is', async () => {
    const idle = { kind: 'server-idle', deed: 'extend', why_no_deed: '' };
    api.answers.share = share({ ahead: [ahead(idle), ahead({ ...idle, kind: 'keep-ends' })] });
    const node = await openPanel(panel, page);
    expect(node.querySelector('[data-sublet="ahead-row"]')).toBeNull();
  });

  test('of another server of mine says where it is put off', async () => {
    const idle = { kind: 'server-idle', deed: 'extend', why_no_deed: '', slice_id: 's2' };
    api.answers.share = share({ ahead: [ahead({ ...idle, is_near: false, at: null })] });
    const node = await openPanel(panel, page);
    const row = part(node, 'ahead-row');
    expect(row.textContent).toContain('It is put off on that server, or on Sublet’s page');
    expect(row.getAttribute('role')).toBeNull();
  });

  test('is nothing where the service tells of nothing, as older ones', async () => {
    api.answers.share = share();
    const node = await openPanel(panel, page);
    expect(node.querySelector('[data-sublet="ahead"]')).toBeNull();
  });
});
