import { expect, test } from 'vitest';

import type { Ahead, GroupShare, Share } from '../src/api/types';
import { ShareMeters } from '../src/controls/ShareMeters';
import { ShareView } from '../src/views/share/ShareView';
import { aSlice } from './support/answers';
import { button, doing, draw, FakeService, json } from './support/page';

const OWN = {
  group: null,
  path: [],
  types: [
    {
      gpu_type: 'H100',
      held: 0.5,
      jobs: 0,
      entitled: 0.25,
      borrowed: 0.25,
      guaranteed: 0.25,
      limit: 2
    }
  ],
  held_cards: 0.5,
  limit_cards: 2,
  held_mib: 40 * 1024,
  limit_mib: 60 * 1024,
  slices: 1,
  most_slices: 3,
  jobs_apart: null,
  may_pay: true,
  left: false
};

const SHARE = {
  owner: 'ada',
  slices: [
    {
      ...aSlice({ on_card_gib: 4, lent_to: ['a job of bea'], kept: ['kept', 'kept by MPS'] }),
      cap_kept: { by: ['watch'], words: 'the watch', meaning: '' }
    }
  ],
  jobs_waiting: 0,
  jobs_running: 0,
  jobs_stopped: 0,
  servers_waiting: 1,
  groups_known: true,
  lending: true,
  agents_silent: [],
  quota: {
    groups: [],
    own: OWN,
    rights: [
      { right: 'limit of memory', value: '60 GiB', source: 'everyone.limit', line: 12, group: null }
    ],
    keep_left_minutes: 0,
    budgets: []
  },
  offers: [],
  week: null,
  ahead: [],
  announcements: [
    {
      announcement_id: 'a',
      text: 'Your server is stopped at 2026-12-02 12:00 UTC.',
      made_at: '2026-12-02T09:00:00Z',
      until: '2026-12-02T13:00:00Z',
      from_admin: true
    }
  ]
} as unknown as Share;

const JOB = {
  job_id: 'j',
  name: 'train.ipynb',
  owner: 'ada',
  state: 'waiting',
  reason: 'it waits for a card: place 2',
  submitted_at: '2026-12-02T09:00:00Z',
  cells_total: 8,
  cells_done: 0,
  stopped: null,
  expected_start: null
};

test('a share is shown with what it is made of, and which line says so', async () => {
  const service = new FakeService({
    share: () => json(SHARE),
    'jobs?owner=root': () => json([JOB])
  });
  const { page, console } = await draw(<ShareView />, service);
  expect(page.textContent).toBe('Asking for your share …');
  await doing(() => {
    void console.share.refresh();
    void console.jobs.refresh();
  });
  const part = (name: string): string =>
    page.querySelector(`[data-sublet="${name}"]`)?.textContent ?? '';
  expect(part('my-slice')).toContain('4 of 10 GiB');
  expect(part('my-slice')).toContain('Lent to a job of bea');
  expect(part('my-slice')).toContain('Compute share: kept by MPS');
  expect(part('my-slice')).toContain('Memory cap kept by the watch');
  expect(part('account')).toContain('40 GiB of at most 60 GiB');
  expect(part('account')).toContain('Cards of all types0.5 of at most 2 cards');
  expect(part('account')).toContain('0.5 of at most 2 cards, 0.25 guaranteed, 0.25 borrowed');
  expect(part('rights')).toContain('limit of memory: 60 GiBeveryone.limit, line 12');
  expect(part('job')).toContain('it waits for a card: place 2');
  expect(part('slices')).toContain('1 server of yours waits in line');
  // By this browser's clock, as all other times.
  expect(part('announcement')).not.toContain('UTC');
  const ends = page.querySelector('[data-sublet="announcement"] time:last-of-type');
  expect(ends?.getAttribute('datetime')).toBe('2026-12-02T13:00:00Z');
  expect(part('announcement')).toContain('· until ');
});

test('what has no limit is told in words, without a bar that is full', async () => {
  const type = OWN.types[0];
  const own = {
    ...OWN,
    limit_cards: null,
    limit_mib: null,
    types: [
      { ...type, limit: null, guaranteed: 0 },
      { ...type, gpu_type: 'A100', limit: null, guaranteed: 1, held: 0.5 }
    ]
  } as unknown as GroupShare;
  const { page } = await draw(<ShareMeters share={own} />);
  expect(page.textContent).toContain('Memory40 GiB');
  expect(page.textContent).toContain('H1000.5 cards held');
  const bars = [...page.querySelectorAll('[role="meter"]')];
  expect(bars.map(each => each.getAttribute('aria-label'))).toEqual(['A100']);
  expect(bars[0]?.querySelector<HTMLElement>('.meter-used')?.style.width).toBe('50.00%');
});

test('what cannot be asked is told', async () => {
  const service = new FakeService({ share: () => json({ message: 'the hub is away' }, 503) });
  const { page, console } = await draw(<ShareView />, service);
  await doing(() => {
    void console.share.refresh();
  });
  expect(page.textContent).toBe('the hub is away');
});

test('a share that cannot be asked anew is shown as of before', async () => {
  let away = false;
  const service = new FakeService({
    share: () => (away ? json({ message: 'the hub is away' }, 503) : json(SHARE))
  });
  const { page, console } = await draw(<ShareView />, service);
  await doing(() => {
    void console.share.refresh();
  });
  expect(page.querySelector('[data-sublet="stale"]')).toBeNull();
  away = true;
  await doing(() => {
    void console.share.refresh();
  });
  expect(page.querySelector('[data-sublet="stale"]')?.textContent).toContain('the hub is away');
  expect(page.querySelector('[data-sublet="my-slice"]')).not.toBeNull();
});

function ahead(more: Partial<Ahead>): Ahead {
  return {
    notice_id: 'idle-s1',
    kind: 'server-idle',
    what: 'Your server is ended.',
    why: 'It has been idle since 2026-12-02 08:00 UTC, and may be so for 8 h.',
    advice: 'Run a cell, or extend it.',
    at: '2026-12-02T16:00:00Z',
    is_near: true,
    slice_id: 's1',
    deed: 'extend',
    deed_s: 28_800,
    why_no_deed: '',
    ...more
  };
}

async function withAhead(
  rows: readonly Ahead[],
  answers: Readonly<Record<string, () => Response>> = {}
): Promise<{ page: HTMLElement; service: FakeService }> {
  const service = new FakeService({
    share: () => json({ ...SHARE, ahead: rows }),
    ...answers
  });
  const { page, console } = await draw(<ShareView />, service);
  await doing(() => {
    void console.share.refresh();
  });
  return { page, service };
}

test('what will be taken is told with why, and what puts it off is done by a button', async () => {
  const { page, service } = await withAhead([ahead({ notice_id: 'a' })]);
  const row = page.querySelector('[data-sublet="ahead-row"]');
  expect(row?.textContent).toContain('Your server is ended.');
  expect(row?.textContent).not.toContain('UTC');
  // What the row tells is not told twice.
  expect(page.querySelector('[data-sublet="announcement"]')).toBeNull();
  await doing(() => {
    button(page, 'Extend by 8 h').click();
  });
  expect(service.asked.at(-2)).toMatchObject({
    method: 'POST',
    url: '/services/sublet/api/slices/s1/extend',
    body: {}
  });
  expect(page.querySelector('[data-sublet="ahead"] [role="status"]')?.textContent).toBe(
    'Your server may stay idle for 8 h again, from now on.'
  );
  expect(document.activeElement).toBe(page.querySelector('[data-sublet="ahead"]'));
});

test('a slice is kept for what is left of the minutes of the day', async () => {
  const { page, service } = await withAhead([
    ahead({ kind: 'keep-ends', deed: 'keep', deed_s: 600 })
  ]);
  await doing(() => {
    button(page, 'Keep for 10 min').click();
  });
  expect(service.asked.at(-2)).toMatchObject({
    url: '/services/sublet/api/slices/s1/keep',
    body: { minutes: 10 }
  });
});

test('what no button puts off says why, and a refusal is told in the words of the service', async () => {
  const { page } = await withAhead(
    [
      ahead({ notice_id: 'b', deed: null, deed_s: null, why_no_deed: 'An admin stops it.' }),
      ahead({ notice_id: 'c' })
    ],
    { 'slices/s1/extend': () => json({ message: 'this server is being ended already' }, 409) }
  );
  const [first, second] = page.querySelectorAll('[data-sublet="ahead-row"]');
  expect(first?.querySelector('button')).toBeNull();
  expect(first?.textContent).toContain('An admin stops it.');
  await doing(() => {
    second?.querySelector('button')?.click();
  });
  expect(second?.querySelector('[role="alert"]')?.textContent).toBe(
    'this server is being ended already'
  );
});

test('where nothing is ahead nothing is said of it', async () => {
  const { page } = await withAhead([]);
  expect(page.querySelector('[data-sublet="ahead"]')).toBeNull();
});
