import { afterEach, expect, test } from 'vitest';

import type { KindHours, UseRow } from '../src/api/types';
import { LongTable } from '../src/controls/LongTable';
import { App } from '../src/shell/App';
import { bysFor, choiceOf, queryOf, timesOf } from '../src/views/use/choice';
import { courseOf, energyOf } from '../src/views/use/course';
import { beginOfLabel, labelOf, slotsOf, zoneName } from '../src/views/use/steps';
import UsePage from '../src/views/use/UsePage';
import { doing, draw, FakeService, json, SESSION } from './support/page';

const NOW = new Date();
const DAY_MS = 86_400_000;
const CARBON = { pue: 1.3, g_per_kwh: 380, source: 'the grid operator', as_of: '2026-01-31' };

function hours(facts: Partial<KindHours>): KindHours {
  const parts = { used: 0, idle: 0, lent: 0, suspended: 0, ...facts };
  return {
    held: parts.used + parts.idle + parts.lent + parts.suspended,
    borrowed: 0,
    charged: 0,
    credited: 0,
    ...parts
  };
}

function row(of: Record<string, string>, facts: Partial<UseRow> = {}): UseRow {
  return {
    of,
    slice_hours: 1,
    card_hours: 1,
    memory_gib_hours: 1,
    busy_hours: null,
    lent_hours: null,
    energy_wh: null,
    carbon_g: null,
    kinds: null,
    ...facts
  };
}

const TODAY = labelOf('day', NOW);
const YESTERDAY = labelOf('day', new Date(NOW.getTime() - DAY_MS));

/** What groups, owners or types had. */
function totals(by: string): UseRow[] {
  return [
    row({ [by]: 'vision' }, { kinds: hours({ used: 30, idle: 9, lent: 1.5, borrowed: 4 }) }),
    row({ [by]: '' }, { kinds: hours({ used: 2 }) })
  ];
}

const DAYS = [
  row({ day: YESTERDAY }, { kinds: hours({ used: 20, idle: 9 }), energy_wh: 9000, carbon_g: 4446 }),
  row({ day: TODAY }, { kinds: hours({ used: 12, lent: 1.5, borrowed: 4, credited: 0.5 }) })
];
const WAITS = [
  {
    kind: 'job',
    of: { group: 'vision' },
    count: 4,
    at_once: 1,
    median_s: 90,
    p95_s: 7200,
    longest_s: 7300
  }
];
const REFUSALS = [
  { code: 'no-room', times: 2, owners: 1, last_at: NOW.toISOString(), group: 'vision' },
  { code: 'user-limit', times: 7, owners: 3, last_at: NOW.toISOString(), group: 'vision' },
  { code: 'user-limit', times: 4, owners: 3, last_at: NOW.toISOString(), group: 'speech' },
  { code: 'of-a-newer-service', times: 1, owners: 1, last_at: NOW.toISOString(), group: '' }
];
const LIMITS = [
  { group: 'vision', gpu_type: null, of_each: false, cards: 3.5, most: 6, held_hours: 40.5 },
  { group: null, gpu_type: 'H100', of_each: true, cards: 0.5, most: 1, held_hours: 2 }
];

function report(rows: readonly unknown[], more: object = {}): Response {
  return json({ since: '', until: '', zone: '', carbon: null, rows, ...more });
}

/** A service whose answer about hours is by what they are asked. */
function service(carbon: object | null = CARBON): FakeService {
  const asked = (): string => made.asked.at(-1)?.url ?? '';
  const made: FakeService = new FakeService({
    use: () => {
      if (asked().includes('by=group&by=day')) {
        return report(
          ['vision', ''].map(group =>
            row({ group, day: TODAY }, { kinds: hours({ idle: 3 }), energy_wh: 1500 })
          )
        );
      }
      const by = /by=(group|owner|type)/.exec(asked())?.[1] ?? 'group';
      return report(asked().includes('by=day') ? DAYS : totals(by), { carbon });
    },
    'use/waits': () => report(WAITS),
    'refusals/sums': () => json(REFUSALS),
    'use/limits': () => json({ since: '', until: '', refused_percent: 1, limits: LIMITS })
  });
  return made;
}

async function opened(
  asked: FakeService,
  query = '',
  session = SESSION
): Promise<{ page: HTMLElement; part: (name: string) => string }> {
  window.history.replaceState(null, '', `/services/sublet/view/use${query}`);
  const { page } = await draw(<UsePage />, asked, session);
  await doing(() => undefined);
  const part = (name: string): string =>
    page.querySelector(`[data-sublet="${name}"]`)?.textContent ?? '';
  return { page, part };
}

afterEach(() => {
  window.history.replaceState(null, '', '/services/sublet/');
});

test('hours, days and weeks are those of the browser, also where its clock goes back', () => {
  expect(zoneName()).toBe('Europe/Berlin');
  expect(labelOf('hour', new Date('2026-10-25T00:30:00Z'))).toBe('2026-10-25T02:00+02:00');
  expect(labelOf('hour', new Date('2026-10-25T01:30:00Z'))).toBe('2026-10-25T02:00+01:00');
  expect(labelOf('day', new Date('2026-10-24T22:00:00Z'))).toBe('2026-10-25');
  expect(labelOf('week', new Date('2027-01-03T12:00:00Z'))).toBe('2026-W53');
  const [since, until] = [new Date('2026-10-24T22:00:00Z'), new Date('2026-10-25T23:00:00Z')];
  expect(slotsOf('hour', since, until)).toHaveLength(25);
  const [day, ...others] = slotsOf('day', since, until);
  expect(others).toEqual([]);
  expect(day?.end).toEqual(until);
});

test.each(['hour', 'day', 'week'] as const)('the name of a %s says when it begins', step => {
  for (const at of ['2026-01-01T00:00:00Z', '2026-03-29T01:00:00Z', '2026-12-31T22:59:00Z']) {
    const begin = beginOfLabel(step, labelOf(step, new Date(at)));
    expect(begin.getTime()).toBeLessThanOrEqual(Date.parse(at));
    expect(labelOf(step, begin)).toBe(labelOf(step, new Date(at)));
    expect(labelOf(step, new Date(begin.getTime() - 1))).not.toBe(labelOf(step, begin));
  }
});

test('all of a choice stands in the address, and no user asks by user', () => {
  const text =
    'span=dates&from=2026-11-01&to=2026-11-14&by=owner&step=week&of=ada&q=a&sort=idle&percent=5';
  const choice = choiceOf(new URLSearchParams(text), true);
  expect(queryOf(choice).toString()).toBe(text);
  expect(timesOf(choice, new Date('2026-12-02T10:00:00Z'))).toEqual({
    since: new Date('2026-10-31T23:00:00Z'),
    until: new Date('2026-11-14T23:00:00Z')
  });
  expect(queryOf(choiceOf(new URLSearchParams(), true)).toString()).toBe('');
  expect(bysFor(false)).toEqual(['group', 'type']);
  expect(choiceOf(new URLSearchParams(text), false).by).toBe('group');
  const nonsense = choiceOf(new URLSearchParams('span=dates&from=x&to=2026-13-77&step=year'), true);
  expect(nonsense.step).toBe('day');
  expect(timesOf(nonsense, NOW).until).toEqual(NOW);
});

test('the last seven days begin at a midnight, and each of them is in the course', () => {
  const choice = choiceOf(new URLSearchParams(), true);
  const times = timesOf(choice, NOW);
  const points = courseOf(DAYS, choice, times);
  expect(points.map(each => each.hours.held)).toEqual([0, 0, 0, 0, 0, 29, 13.5]);
  expect(points[0]?.begin).toEqual(times.since);
});

test('energy is the sum of the steps that tell it, with how many did', () => {
  expect(energyOf(DAYS)).toEqual({ energy_wh: 9000, carbon_g: 4446, told: 1, steps: 2 });
  expect(energyOf([row({ day: TODAY })])).toBeNull();
});

test('an admin sees hours, waits, refusals, energy with its factors, and limits', async () => {
  const asked = service();
  const { page, part } = await opened(asked);
  expect(part('use-times')).toContain('Europe/Berlin');
  const today = NOW.toLocaleDateString([], { month: 'short', day: 'numeric' });
  expect(part('use-times')).toContain(`to ${today}, `);
  expect(part('use-told')).toBe(
    'In all: held 42.5 h (used 32.0, idle 9.0, lent 1.5, suspended 0.0); ' +
      'borrowed 4.0; charged 0.0; credited 0.5'
  );
  expect(page.querySelector('svg[role="img"]')?.getAttribute('aria-label')).toContain('held 42.5');
  expect(page.querySelectorAll('.use-chart path.use-area')).toHaveLength(4);
  expect(part('use-table')).toContain('vision40.530.0');
  expect(part('use-table')).toContain('no group');
  expect(part('use-waits')).toContain('jobs, to beginvision412 min2 h');
  expect(part('use-refusals-table')).toMatch(/beyond the limit of each.*no room.*of-a-newer/);
  expect(part('use-refusals-table')).toMatch(/speech.*beyond the limit.*no group.*of-a-newer/);
  expect(part('use-energy')).toContain('9.0 kWh');
  expect(part('use-energy')).toContain('4.4 kg');
  expect(part('use-energy')).toContain('Told of 1 of 2 steps');
  expect(part('use-carbon')).toMatch(/1\.3.*380 g.*the grid operator.*2026/);
  expect(part('use-limits')).toContain('would have refused 1 % of the hours');
  expect(part('use-limits-table')).toContain('visionall typesall together3.56');
  const zone = encodeURIComponent('Europe/Berlin');
  expect(asked.asked.map(each => each.url)).toContainEqual(
    expect.stringMatching(new RegExp(`api/use\\?since=.*&zone=${zone}&by=group&by=kind$`))
  );
});

test('one group is looked at alone, and the address says so', async () => {
  const asked = service();
  const { page, part } = await opened(asked);
  await doing(() => {
    page.querySelector<HTMLButtonElement>('[data-sublet="use-table"] button.link')?.click();
  });
  expect(window.location.search).toBe('?of=vision');
  expect(part('use-course')).toContain('group vision');
  expect(part('use-told')).toContain('held 3.0 h');
  expect(part('use-energy')).toContain('1.5 kWh');
  expect(part('use-refusals-table')).toContain('vision');
  expect(part('use-refusals-table')).not.toMatch(/speech|no group/);
  expect(part('use-limits-table')).not.toContain('H100');
  await doing(() => {
    page.querySelector<HTMLButtonElement>('[data-sublet="use-all"]')?.click();
  });
  expect(window.location.search).toBe('');
});

test('of one user the service is asked by their name', async () => {
  const asked = service();
  await opened(asked, '?by=owner&of=ada');
  const urls = asked.asked.map(each => each.url);
  for (const path of ['use', 'use/waits', 'refusals/sums']) {
    expect(urls.some(url => url.includes(`api/${path}?`) && url.includes('owner=ada'))).toBe(true);
  }
});

test('tables are had as CSV, by the same query', async () => {
  const asked = service();
  const { page } = await opened(asked, '?span=30&by=type');
  const links = [...page.querySelectorAll<HTMLAnchorElement>('a[download]')].map(each =>
    each.getAttribute('href')
  );
  expect(links).toHaveLength(6);
  const urls = asked.asked.map(each => each.url);
  for (const url of urls.filter(each => /\/(use|refusals)/.test(each))) {
    expect(links).toContain(`${url}&format=csv`);
  }
});

test('without factors an admin reads how to set them, and a user that they are not set', async () => {
  expect((await opened(service(null))).part('use-energy')).toContain('carbon_g_per_kwh');
  const asked = service(null);
  const { page, part } = await opened(asked, '', { ...SESSION, admin: false, sees_all: false });
  expect(page.querySelector('[data-sublet="use-report"]')).toBeNull();
  expect(part('use-energy')).toContain('is not set here');
  expect(part('use-limits')).toBe('');
  expect(asked.asked.map(each => each.url).join()).not.toContain('limits');
});

test('what the service refuses is told where it was asked', async () => {
  const refused = new FakeService({
    use: () => json({ message: 'there are more than 50000 rows: ask for less time' }, 400),
    'use/waits': () => report([]),
    'refusals/sums': () => json([]),
    'use/limits': () => json({ refused_percent: 1, limits: [] })
  });
  const { part } = await opened(refused);
  expect(part('use-totals')).toContain('more than 50000 rows');
  expect(part('use-waits')).toContain('No wait ended in this time');
  expect(part('use-refusals')).toContain('Nothing was refused');
});

test('the same is read step by step, in a table that is drawn when it is opened', async () => {
  const { page, part } = await opened(service());
  expect(part('use-steps')).toBe('');
  await doing(() => {
    const details = page.querySelector<HTMLDetailsElement>('[data-sublet="use-course-table"]');
    if (details !== null) {
      details.open = true;
      details.dispatchEvent(new Event('toggle'));
    }
  });
  expect(page.querySelectorAll('[data-sublet="use-steps"] tbody tr')).toHaveLength(7);
});

test('of a long table only the rows in sight are drawn, in the order that is chosen', async () => {
  const rows = Array.from({ length: 10_000 }, (_, at) => ({
    name: `user-${String(at)}`,
    held: at
  }));
  const columns = [
    { name: 'name', title: 'user', of: (each: (typeof rows)[number]) => each.name },
    { name: 'held', title: 'held', of: (each: (typeof rows)[number]) => each.held }
  ];
  const { page } = await draw(
    <LongTable
      name="long"
      label="Users"
      columns={columns}
      rows={rows}
      keyOf={each => each.name}
      sort="held"
      onSort={() => undefined}
    />
  );
  await doing(() => undefined);
  const drawn = page.querySelectorAll('tbody tr:not(.room)');
  expect(drawn.length).toBeGreaterThan(0);
  expect(drawn.length).toBeLessThan(100);
  expect(drawn[0]?.textContent).toBe('user-99999999');
  expect(page.querySelector('table')?.getAttribute('aria-rowcount')).toBe('10001');
});

test('the view is fetched when it is opened', async () => {
  window.history.replaceState(null, '', '/services/sublet/view/use');
  const { page } = await draw(<App />, service());
  await expect
    .poll(async () => {
      await doing(() => undefined);
      return page.querySelector('[data-sublet="use-table"]')?.textContent;
    })
    .toContain('vision');
});
