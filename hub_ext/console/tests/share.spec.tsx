import { expect, test } from 'vitest';

import type { GroupShare, Share } from '../src/api/types';
import { ShareMeters } from '../src/controls/ShareMeters';
import { ShareView } from '../src/views/share/ShareView';
import { aSlice } from './support/answers';
import { doing, draw, FakeService, json } from './support/page';

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
  slices: [aSlice({ owner: 'ada', on_card_gib: 4, lent_to: ['a job of bea'] })],
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
  expect(part('account')).toContain('40 GiB of at most 60 GiB');
  expect(part('account')).toContain('0.5 of at most 2 cards, 0.25 guaranteed, 0.25 borrowed');
  expect(part('rights')).toContain('limit of memory: 60 GiBeveryone.limit, line 12');
  expect(part('job')).toContain('it waits for a card: place 2');
  expect(part('slices')).toContain('1 server of yours waits in line');
  // By this browser's clock, as all other times.
  expect(part('announcement')).not.toContain('UTC');
});

test('what has no limit is told in words, without a bar that is full', async () => {
  const type = OWN.types[0];
  const own = {
    ...OWN,
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
