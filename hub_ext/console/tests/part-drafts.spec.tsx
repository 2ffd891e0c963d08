import { expect, test } from 'vitest';

import { BehindNote } from '../src/views/quotas/BehindNote';
import { Quotas } from '../src/views/quotas/model';
import { A_PART } from './support/answers';
import { draw, FakeService, json, SESSION } from './support/page';

const LEAD = { ...SESSION, name: 'lead', admin: false, sees_all: false, groups: ['vision'] };
const CHANGE = {
  revision: null,
  change: 'd'.repeat(32),
  author: 'bea',
  made_at: '2026-12-02T10:00:00Z',
  reason: '',
  keys_changed: 1,
  in_force: true,
  role: 'group-admin',
  groups: ['vision'],
  is_part: true
};

interface Wish {
  expect: number | null;
  expect_part: string | null;
}

test('a part is made from what it says, and stops where somebody changed that', async () => {
  let inForce = A_PART;
  const sent: unknown[] = [];
  const asked = new FakeService({
    quota: () => json(inForce),
    'quota/revisions': () => {
      const { expect: revision, expect_part: part } = asked.asked.at(-1)?.body as Wish;
      sent.push([revision, part]);
      inForce = { ...A_PART, part: 'b'.repeat(32), text: `${A_PART.text}mine: 1\n` };
      return json({ about: CHANGE, is_new: true, part: inForce.part, warnings: [] });
    }
  });
  const { console } = await draw(<></>, asked, LEAD);
  const quotas = new Quotas(console, 'vision');
  await quotas.quota.refresh();
  quotas.write(`${A_PART.text}mine: 1 # a note\n`);
  expect((await quotas.apply('why'))?.is_new).toBe(true);
  expect(sent).toEqual([[null, 'a'.repeat(32)]]);
  await quotas.quota.refresh();
  quotas.write(`${inForce.text}# more\n`);
  expect((await quotas.apply('why'))?.is_new).toBe(true);
  expect(sent.at(-1)).toEqual([null, 'b'.repeat(32)]);

  // Another admin of the group has changed the same part.
  quotas.write(`${A_PART.text}# mine again\n`);
  inForce = { ...A_PART, part: 'c'.repeat(32), text: `${A_PART.text}# theirs\n` };
  await quotas.quota.refresh();
  expect(await quotas.apply('why')).toBeNull();
  expect(sent).toHaveLength(2);
  expect(quotas.draft.value.text).toContain('mine again');
  const { page } = await draw(
    <BehindNote quotas={quotas} quota={inForce} draft={quotas.draft.value} />,
    asked,
    LEAD
  );
  expect(page.textContent).toContain('is another than what you began with');
  expect(page.textContent).toContain('# theirs');
});
