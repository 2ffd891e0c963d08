import { afterEach, expect, test, vi } from 'vitest';

import type { GroupWeek, WeekNumbers, WeekReport } from '../src/api/types';
import { changeOf } from '../src/views/use/report/GroupPart';
import { lastWeek, queryOfWeek, shiftedWeek, weekChoiceOf } from '../src/views/use/report/week';
import { UseView } from '../src/views/use/UseView';
import { button, doing, draw, FakeService, json, SESSION } from './support/page';

const CARBON = { pue: 1.3, g_per_kwh: 380, source: 'the grid operator', as_of: '2026-01-31' };

function numbers(used: number, facts: Partial<WeekNumbers> = {}): WeekNumbers {
  return {
    hours: {
      held: used + 9,
      used,
      idle: 9,
      lent: 0,
      suspended: 0,
      borrowed: 4,
      charged: 0,
      credited: 0
    },
    energy_wh: null,
    carbon_g: null,
    waits: [],
    refusals: [],
    ...facts
  };
}

const GROUPS: GroupWeek[] = [
  {
    group: 'vision',
    week: numbers(30, {
      energy_wh: 9000,
      carbon_g: 4446,
      waits: [{ kind: 'job', count: 4, median_s: 90, p95_s: 7200 }],
      refusals: [{ code: 'no-room', times: 7, owners: 3 }]
    }),
    before: numbers(20, {
      waits: [{ kind: 'cell', count: 2, median_s: 1, p95_s: 2 }],
      refusals: [{ code: 'no-room', times: 2, owners: 1 }]
    }),
    idle: [{ owner: '<b>ada</b>', held: 12, idle: 9.5 }]
  },
  { group: '', week: numbers(0), before: numbers(1), idle: [] }
];

function report(facts: Partial<WeekReport> = {}): WeekReport {
  return {
    week: '2026-W48',
    since: '2026-11-22T23:00:00Z',
    until: '2026-11-29T23:00:00Z',
    is_over: true,
    zone: 'Europe/Berlin',
    carbon: CARBON,
    groups: GROUPS,
    ...facts
  };
}

let sent: object = {};

async function opened(
  query: string,
  answer: () => Response = () => json(report()),
  session = SESSION
): Promise<{ page: HTMLElement; urls: () => string[] }> {
  window.history.replaceState(null, '', `/services/sublet/view/use${query}`);
  const asked = new FakeService({
    'use/report': answer,
    use: () => json({ since: '', until: '', zone: '', carbon: null, rows: [] }),
    'use/waits': () => json({ since: '', until: '', zone: '', rows: [] }),
    'refusals/sums': () => json([]),
    'use/report/trial': () => json(sent),
    role: () => json({ role: 'group-admin', groups: ['vision'], all_groups: ['vision'] })
  });
  const { page } = await draw(<UseView />, asked, session);
  await expect
    .poll(async () => {
      await doing(() => undefined);
      return page.querySelector('[data-sublet="report"], [data-sublet="use-times"]');
    })
    .not.toBeNull();
  await doing(() => undefined);
  return { page, urls: () => asked.asked.map(each => each.url) };
}

afterEach(() => {
  vi.restoreAllMocks();
  window.history.replaceState(null, '', '/services/sublet/');
});

test('the address says which week, and nonsense is the last one that is over', () => {
  const now = new Date('2026-12-02T12:00:00Z');
  expect(lastWeek(now)).toBe('2026-W48');
  expect(shiftedWeek('2026-W43', 1)).toBe('2026-W44');
  expect(shiftedWeek('2026-W53', 1)).toBe('2027-W01');
  expect(shiftedWeek('2027-W01', -1)).toBe('2026-W53');
  const choice = weekChoiceOf(new URLSearchParams('week=2026-W40&group=vision'), now);
  expect(queryOfWeek(choice).toString()).toBe('week=2026-W40&group=vision');
  expect(weekChoiceOf(new URLSearchParams('week=soon'), now).week).toBe('2026-W48');
});

test('a change is told in percent where there was something', () => {
  const changes = [
    [30, 20],
    [5, 10],
    [1014, 1017],
    [1, 0],
    [null, 3]
  ] as const;
  expect(changes.map(([now, then]) => changeOf(now, then))).toEqual([
    '+50 %',
    '−50 %',
    '0 %',
    '–',
    '–'
  ]);
});

test('each group has its week, the one before, waits, refusals and who was idle', async () => {
  const { page, urls } = await opened('?week=2026-W48&group=vision');
  expect(urls()).toEqual([
    '/services/sublet/api/use/report?week=2026-W48&zone=Europe%2FBerlin&group=vision'
  ]);
  expect(page.querySelector('[data-sublet="report-days"]')?.textContent).toMatch(/Nov 23.*Nov 29/);
  const [vision, none] = [...page.querySelectorAll('[data-sublet="report-group"]')].map(
    each => each.textContent
  );
  expect(vision).toContain('hours used30.020.0+50 %');
  expect(vision).toContain('kWh9.0––');
  expect(vision).toContain('kg CO₂4.4––');
  expect(vision).toMatch(/jobs, to begin42 min2 h0––/);
  expect(vision).toMatch(/cells, to run0––2/);
  expect(vision).toContain('no room732');
  expect(vision).toContain('<b>ada</b>9.512.0');
  expect(none).toContain('no group');
  expect(none).not.toContain('most idle');
  expect(page.querySelector('[data-sublet="use-carbon"]')?.textContent).toContain('380 g');
});

test('weeks are gone through, none beyond the one that is under way', async () => {
  const { page } = await opened('?week=2026-W48');
  await doing(() => {
    button(page, 'Week before').click();
  });
  expect(window.location.search).toBe('?week=2026-W47');
  await doing(() => {
    button(page, 'Week after').click();
  });
  expect(window.location.search).toBe('?week=2026-W48');
  const now = await opened(`?week=${shiftedWeek(lastWeek(new Date()), 1)}`);
  expect(button(now.page, 'Week after').disabled).toBe(true);
});

test('it is printed, and had as HTML and as text', async () => {
  const print = vi.spyOn(window, 'print').mockImplementation(() => undefined);
  const { page } = await opened('?week=2026-W48');
  button(page, 'Print').click();
  expect(print).toHaveBeenCalledOnce();
  const links = [...page.querySelectorAll('a[download]')].map(each => each.getAttribute('href'));
  expect(links).toEqual(
    ['html', 'text'].map(
      form => `/services/sublet/api/use/report?week=2026-W48&zone=Europe%2FBerlin&format=${form}`
    )
  );
});

test('an admin has it mailed to themselves, and is told what came of it', async () => {
  sent = { channel: 'mail', week: '2026-W48', was_sent: true, problem: null };
  const { page, urls } = await opened('?week=2026-W48&group=vision');
  await doing(() => {
    button(page, 'Mail it to me now').click();
  });
  expect(urls().at(-1)).toBe('/services/sublet/api/use/report/trial');
  const said = page.querySelector('[data-sublet="mailed"]');
  expect(said?.textContent).toBe('The report of 2026-W48 was mailed to you.');
  sent = { channel: 'mail', week: '2026-W48', was_sent: false, problem: 'no <b>answer</b>' };
  await doing(() => {
    button(page, 'Mail it to me now').click();
  });
  expect(said?.getAttribute('role')).toBe('alert');
  expect(said?.textContent).toBe('It was not mailed: no <b>answer</b>');
});

test('an admin of groups is led to the report', async () => {
  const lead = { ...SESSION, admin: false, sees_all: false, groups: ['vision'] };
  const { page } = await opened('', undefined, lead);
  await doing(() => {
    button(page, 'Weekly report').click();
  });
  expect(window.location.search).toBe(`?week=${lastWeek(new Date())}`);
  await doing(() => undefined);
  expect(page.querySelector('[data-sublet="mail-report"]')).toBeNull();
});

test('what the service refuses is told in its words', async () => {
  const { page } = await opened('?week=2026-W48', () => json({ message: 'not for you' }, 403));
  expect(page.querySelector('[role="alert"]')?.textContent).toBe('not for you');
});
