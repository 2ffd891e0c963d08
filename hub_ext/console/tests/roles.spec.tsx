import { afterEach, beforeAll, expect, test } from 'vitest';

import type { Topic } from '../src/api/types';
import type { Session } from '../src/model/session';
import { App } from '../src/shell/App';
import { quotasOf, type Quotas } from '../src/views/quotas/model';
import { A_CALENDAR, A_PART, A_PREVIEW, aCard, aSlice } from './support/answers';
import { doing, draw, FakeService, json, SESSION } from './support/page';

const AT = '2026-12-02T09:00:00Z';
const READER: Session = { ...SESSION, name: 'rita', admin: false };
const LEAD: Session = {
  ...SESSION,
  name: 'bea',
  admin: false,
  sees_all: false,
  groups: ['speech', 'vision']
};
const USER: Session = { ...LEAD, name: 'ada', groups: [] };

const SHARE = {
  types: [],
  held_cards: 0,
  limit_cards: null,
  held_mib: 0,
  limit_mib: null,
  slices: 0,
  most_slices: null,
  jobs_apart: null,
  may_pay: true,
  left: false
};
const TYPE = {
  gpu_type: 'H100',
  held: 0,
  jobs: 0,
  entitled: 0,
  borrowed: null,
  guaranteed: 0,
  limit: null
};
const TREE = {
  at: AT,
  revision: null,
  groups: [
    {
      share: { ...SHARE, group: 'vision', path: ['vision'], types: [TYPE] },
      weight: 1,
      members: ['vision'],
      over: [],
      budget: null,
      line: null
    }
  ],
  outside: { ...SHARE, group: null, path: [] },
  people: 1,
  over: [],
  unmet: [],
  left_out: 0
};
const REVISIONS = ['8', '7']
  .map(change => ({
    revision: null,
    change,
    is_part: true,
    author: 'bea',
    made_at: AT,
    reason: 'a robot more',
    keys_changed: 1,
    role: 'group-admin',
    groups: ['vision'],
    in_force: change === '8'
  }))
  .map(each => (each.change === '7' ? { ...each, reason: '' } : each));
const WAITS = {
  as_of: AT,
  waiting: [],
  total_waiting: 0,
  sums: [],
  loans: [],
  total_loans: 0,
  for_owner: []
};
const NOTICE = {
  announcement_id: 'a',
  text: 'the water is turned off',
  audience: 'all',
  name: null,
  made_by: 'root',
  within: [],
  made_at: AT,
  until: AT
};
const USE = { rows: [], carbon: null, since: AT, until: AT };

function service(): FakeService {
  return new FakeService({
    quota: () => json(A_PART),
    'quota/tree': () => json(TREE),
    'quota/revisions': () => json(REVISIONS),
    'quota/revisions/8': () =>
      json({ about: REVISIONS[0], text: 'weight: 2\n', text_before: 'weight: 1\n' }),
    'quota/calendar': () => json(A_CALENDAR),
    'quota/preview': () => json(A_PREVIEW),
    'quota/check': () => json({ problems: [], warnings: [], left_out: 0 }),
    waits: () => json(WAITS),
    use: () => json(USE),
    'use/waits': () => json({ rows: [] }),
    'use/limits': () => json({ limits: [], refused_percent: 1 }),
    slices: () => json([aSlice({ owner: 'dan' })]),
    jobs: () => json([]),
    announcements: () => json([NOTICE]),
    deliveries: () => json({ channels: [], is_full: false, reports: null }),
    'refusals/sums': () => json([])
  });
}

async function opened(
  session: Session,
  place: string,
  asked: FakeService = service()
): Promise<{
  page: HTMLElement;
  paths: () => string[];
  part: (name: string) => Element | null;
  quotas: Quotas;
}> {
  window.history.replaceState(null, '', `/services/sublet/view/${place}`);
  const { page, console } = await draw(<App />, asked, session);
  await doing(() => {
    console.cards.take({ cards: [aCard({ slices: [aSlice()] })], gone: [], complete: true });
  });
  for (let turn = 0; turn < 5 || page.textContent.includes('Fetching'); turn += 1) {
    await doing(() => undefined);
  }
  return {
    page,
    paths: () => asked.asked.map(each => `${each.method} ${each.url.replace(/^.*api\//, '')}`),
    quotas: quotasOf(console, 'vision'),
    part: name => page.querySelector(`[data-sublet="${name}"]`)
  };
}

function buttons(page: HTMLElement): string[] {
  return [...page.querySelectorAll('button')].map(each => each.textContent);
}

function links(page: HTMLElement): (string | null)[] {
  return [...page.querySelectorAll('nav[aria-label="Views"] a')].map(each => each.textContent);
}

beforeAll(async () => {
  await import('../src/views/quotas/QuotasView');
  await import('../src/views/quotas/DocumentPart');
  await import('../src/views/use/UsePage');
});

afterEach(() => {
  window.history.replaceState(null, '', '/services/sublet/');
});

test('who but reads has all views, reads so once, and has nothing to choose for', async () => {
  const { page, part } = await opened(READER, 'cards');
  expect(links(page)).toEqual([
    'Cards',
    'My share',
    'Who waits for whom',
    'Use',
    'Quotas',
    'Notices'
  ]);
  expect(page.querySelectorAll('[data-sublet="reads-only"]')).toHaveLength(1);
  expect(part('card')).not.toBeNull();
  expect(page.querySelector('input[type="checkbox"][aria-label^="Choose"]')).toBeNull();
  expect(page.textContent).not.toContain('Choose all that are shown');
  expect(buttons(page).filter(each => /Drain|Close|Open|Give back|Evict/.test(each))).toEqual([]);
});

test('an admin is not told that they read only, and has the deeds', async () => {
  const { page, part } = await opened(SESSION, 'cards');
  expect(part('reads-only')).toBeNull();
  expect(buttons(page)).toContain('Drain…');
  expect(page.querySelector('input[type="checkbox"][aria-label^="Choose"]')).not.toBeNull();
});

test('who but reads sees the history, and no way back', async () => {
  const { page } = await opened(READER, 'quotas?part=history');
  expect(buttons(page)).toContain('What was changed');
  expect(buttons(page).filter(each => each.startsWith('Roll back'))).toEqual([]);
});

test('who but reads sees what is told, and neither tells nor takes back', async () => {
  const { page, part } = await opened(READER, 'notices');
  expect(part('notice')?.textContent).toContain('water');
  expect(buttons(page).filter(each => /Write|Take back/.test(each))).toEqual([]);
  expect(buttons((await opened(SESSION, 'notices')).page)).toContain('Take back');
});

test('who but reads sees all that wait, and the limits that are proposed', async () => {
  const waits = await opened(READER, 'waits');
  expect(waits.paths()).toContain('GET waits?all=1');
  const use = await opened(READER, 'use');
  expect(use.paths().some(each => each.startsWith('GET use/limits'))).toBe(true);
});

test('an admin of a group has its part of the quotas, and asks for that alone', async () => {
  const { page, paths, part } = await opened(LEAD, 'quotas?of-group=vision');
  expect(links(page)).toEqual(['My share', 'Who waits for whom', 'Use', 'Quotas', 'Notices']);
  expect(part('source')?.textContent).toContain('the group vision and all below it');
  expect(part('source')?.textContent).not.toContain('7');
  expect(part('group')?.textContent).toContain('vision');
  const asked = paths().filter(each => each.includes('quota'));
  expect(asked.length).toBeGreaterThan(0);
  expect(asked.every(each => each.endsWith('?group=vision'))).toBe(true);
});

test('of several groups the first is shown, and another is chosen in the address', async () => {
  const { page, paths } = await opened(LEAD, 'quotas');
  expect(paths()).toContain('GET quota/tree?group=speech');
  const choice = page.querySelector<HTMLSelectElement>('[data-sublet="group-choice"] select');
  expect(choice?.value).toBe('speech');
  await doing(() => {
    if (choice !== null) {
      choice.value = 'vision';
      choice.dispatchEvent(new Event('change', { bubbles: true }));
    }
  });
  expect(window.location.search).toBe('?of-group=vision');
  await doing(() => {
    page.querySelector<HTMLButtonElement>('[data-sublet="part-history"]')?.click();
  });
  expect(new URLSearchParams(window.location.search).get('of-group')).toBe('vision');
});

test('a group in the address that is not theirs is not asked for', async () => {
  const { paths } = await opened(LEAD, 'waits?of-group=law');
  expect(paths().filter(each => each.includes('law'))).toEqual([]);
});

test('an admin of a group reads what was changed of it, by whomever, and rolls nothing back', async () => {
  const { page, paths, part } = await opened(LEAD, 'quotas?part=history&of-group=vision');
  expect(paths()).toContain('GET quota/revisions?group=vision');
  const told = [...page.querySelectorAll('[data-sublet="revision"]')].map(each => each.textContent);
  expect(told[0]).toContain('a robot more');
  expect(told[1]).toContain('the reason is not told');
  expect(buttons(page).filter(each => each.startsWith('Roll back'))).toEqual([]);
  await doing(() => {
    page.querySelector<HTMLButtonElement>('[data-sublet="revision"] button')?.click();
  });
  await doing(() => undefined);
  expect(paths()).toContain('GET quota/revisions/8?group=vision');
  expect(part('difference')?.textContent).toContain('weight: 2');
});

test('an admin of a group has the calendar of it', async () => {
  const { page, paths } = await opened(LEAD, 'quotas?part=calendar&month=2026-12&of-group=vision');
  expect(paths().some(each => each.startsWith('GET quota/calendar?group=vision&since='))).toBe(
    true
  );
  const entries = [...page.querySelectorAll('.calendar button')];
  expect(entries.map(each => each.textContent)).toEqual(['ends: vision', 'ends: robots']);
  // What is set above has no line in their part.
  expect(entries.map(each => (each as HTMLButtonElement).disabled)).toEqual([true, false]);
});

test('an admin of a group writes by forms what is below it, and previews it before it is applied', async () => {
  const { page, paths, part, quotas } = await opened(LEAD, 'quotas?part=document&of-group=vision');
  const kind = page.querySelector<HTMLSelectElement>('[data-sublet="form-kind"]');
  expect([...(kind?.options ?? [])].map(each => each.value)).toEqual([
    'exception',
    'group',
    'each',
    'guarantee'
  ]);
  expect(page.querySelector('[data-sublet="forms"] textarea')).toBeNull();
  const groups = [...page.querySelectorAll<HTMLOptionElement>('#quota-groups option')];
  expect(groups.map(each => each.value)).toEqual(['robots']);
  const types = [...page.querySelectorAll<HTMLOptionElement>('#quota-types option')];
  expect(types.map(each => each.value)).toEqual(['H100']);

  const apply = (): HTMLButtonElement | undefined =>
    [...page.querySelectorAll('button')].find(each => each.textContent === 'Apply…');
  const preview = [...page.querySelectorAll('button')].find(each => each.textContent === 'Preview');
  await doing(() => {
    quotas.write(`${A_PART.text}# mine\n`);
    quotas.checked.set({
      text: `${A_PART.text}# mine\n`,
      check: { problems: [], warnings: [], left_out: 0 }
    });
  });
  expect(apply()?.disabled).toBe(true);
  await doing(() => preview?.click());
  await doing(() => undefined);
  expect(paths()).toContain('POST quota/preview');
  expect(part('preview')?.textContent).toContain('1 person has slices or jobs of these groups now');
  expect(part('follows-called-back')?.textContent).toContain('another group on node-a 0');
  expect(apply()?.disabled).toBe(false);
});

test('an admin of a group sees who of it holds what', async () => {
  const { paths, part } = await opened(LEAD, 'quotas?part=held&of-group=vision');
  expect(paths()).toContain('GET slices?group=vision');
  expect(paths()).toContain('GET jobs?group=vision');
  expect(part('group-slices-table')?.textContent).toContain('dan');
  expect(part('group-jobs')?.textContent).toContain('This group has no jobs.');
});

test('use and waits are one’s own until a group is chosen', async () => {
  const own = await opened(LEAD, 'use');
  expect(own.paths().filter(each => each.includes('group=vision'))).toEqual([]);
  expect(own.part('use-refusals')).not.toBeNull();
  const use = await opened(LEAD, 'use?of-group=vision');
  const asked = use.paths().filter(each => each.startsWith('GET use'));
  expect(asked.length).toBeGreaterThan(0);
  expect(asked.every(each => each.includes('group=vision'))).toBe(true);
  expect(use.paths()).toContainEqual(
    expect.stringMatching(/^GET refusals\/sums\?.*by=group.*group=vision/)
  );
  expect(use.part('use-refusals')).not.toBeNull();
  expect(use.part('use-energy')).not.toBeNull();
  const waits = await opened(LEAD, 'waits?of-group=vision');
  expect(waits.paths()).toContain('GET waits?group=vision');
  expect(waits.part('nobody')?.textContent).toBe('Nobody waits.');
});

test('where another document takes the groups away, the view goes with them', async () => {
  let groups = ['speech', 'vision'];
  const asked = new FakeService({
    quota: () => json(A_PART),
    'quota/tree': () => json(TREE),
    role: () => json({ role: 'user', groups, all_groups: groups })
  });
  window.history.replaceState(null, '', '/services/sublet/view/quotas');
  const { page, console } = await draw(<App />, asked, LEAD);
  groups = [];
  const refresh = Reflect.get(console, 'refresh') as (topic: Topic) => void;
  await doing(() => {
    refresh('quota');
  });
  expect(console.groups.value).toEqual([]);
  await doing(() => undefined);
  expect(links(page)).not.toContain('Quotas');
  expect(page.querySelector('[data-sublet="no-view"]')?.textContent).toContain('for admins');
});

test.each(['cards', 'quotas', 'quotas?part=document'])(
  'a user who has the address of %s is told whom it is for, and nothing is asked',
  async place => {
    const { page, paths, part } = await opened(USER, place);
    expect(part('no-view')?.textContent).toContain('This view is for admins');
    expect(page.querySelector('h1')?.textContent).toMatch(/Cards|Quotas/);
    expect(paths()).toEqual([]);
    expect(links(page)).toEqual(['My share', 'Who waits for whom', 'Use']);
  }
);

test('an address of no view at all says just that', async () => {
  const { part } = await opened(USER, 'nothing');
  expect(part('no-view')?.textContent).toBe('There is no such view.');
});
