import { afterEach, expect, test, vi } from 'vitest';

import type { Loan, Waiting, Waits } from '../src/api/types';
import { Question } from '../src/model/asked';
import { filtered, filteredLoans, filterOf, queryOf } from '../src/views/waits/filter';
import { WaitsView } from '../src/views/waits/WaitsView';
import { aCard, aSlice } from './support/answers';
import { button, doing, draw, FakeService, json, SESSION, type } from './support/page';

const AT = '2026-12-02T09:00:00Z';
const USER = { ...SESSION, name: 'ada', admin: false, sees_all: false };

function aWait(facts: Partial<Waiting> = {}): Waiting {
  return {
    kind: 'job',
    owner: 'ada',
    server: '',
    job_id: 'j1',
    job_name: 'train.ipynb',
    slice_id: null,
    group: 'vision',
    gpu_type: 'H100',
    node: null,
    gpu_index: null,
    since: AT,
    code: 'too-little-idle',
    reason: 'needs 40 GiB, and no GPU lends more than 4 GiB now',
    place: 3,
    waits_for: [],
    expected_at: null,
    expected_why: '',
    helps: [],
    rank: null,
    ...facts
  };
}

const CELL = aWait({
  kind: 'cell',
  owner: 'bea',
  job_id: null,
  job_name: '',
  slice_id: 'slice-of-bea',
  group: null,
  node: 'node-a',
  gpu_index: 0,
  since: '2026-12-02T08:00:00Z',
  code: 'turn',
  reason: 'others have their turn',
  place: 1,
  waits_for: ['cleo', 'a job of dora'],
  expected_at: '2026-12-02T10:00:00Z'
});

const NOTEBOOK = aWait({
  kind: 'notebook',
  owner: 'dora',
  server: 'training',
  job_id: null,
  job_name: '',
  gpu_type: 'L4',
  since: '2026-12-02T09:30:00Z',
  code: 'no-room',
  reason: 'no card has room for it',
  place: 1,
  expected_at: '2026-12-02T09:45:00Z',
  helps: [
    {
      kind: 'less',
      words: 'ask for 4 GiB or less',
      names: [],
      memory_mib: 4096,
      compute_milli: null
    }
  ]
});

const WAITING = [CELL, NOTEBOOK, aWait()];

function aLoan(borrower: string, lender: string, facts: Partial<Loan> = {}): Loan {
  const party = (words: string): Loan['borrower'] => ({
    words,
    owner: words,
    group: null,
    slice_id: `slice-of-${words}`,
    job_id: null
  });
  return {
    kind: 'idle-slice',
    borrower: party(borrower),
    lender: party(lender),
    node: 'node-a',
    gpu_index: 1,
    gpu_type: 'H100',
    cards: 0.5,
    memory_mib: 40 * 1024,
    since: AT,
    held_since: AT,
    ...facts
  };
}

function waits(facts: Partial<Waits> = {}): Waits {
  const waiting = facts.waiting ?? [];
  const loans = facts.loans ?? [];
  return {
    as_of: AT,
    waiting,
    for_owner: [],
    loans,
    sums: waiting.map(({ kind, code }) => ({ kind, code, count: 1 })),
    total_waiting: waiting.length,
    total_loans: loans.length,
    ...facts
  };
}

function asAdmin(told: Waits): FakeService {
  return new FakeService({ 'waits?all=1': () => json(told) });
}

function found(page: HTMLElement, selector: string): HTMLElement {
  const part = page.querySelector<HTMLElement>(selector);
  if (part === null) {
    throw new Error(`nothing is ${selector} in: ${page.textContent}`);
  }
  return part;
}

function text(page: HTMLElement, name: string): string {
  return page.querySelector(`[data-sublet="${name}"]`)?.textContent ?? '';
}

afterEach(() => {
  window.history.replaceState(null, '', '/services/sublet/view/waits');
  vi.useRealTimers();
});

test.each([
  ['', ['bea', 'dora', 'ada']],
  ['q=CLEO+turn', ['bea']],
  ['q=a+job+of+dora', ['bea']],
  ['q=node-a:0', ['bea']],
  ['q=ask+for+4', ['dora']],
  ['q=train.ipynb', ['ada']],
  ['q=no-such', []],
  ['kind=notebook', ['dora']],
  ['kind=job&why=turn', []],
  ['why=too-little-idle', ['ada']],
  ['group=vision', ['dora', 'ada']],
  ['type=L4', ['dora']],
  ['sort=longest', ['bea', 'ada', 'dora']],
  ['sort=expected', ['dora', 'bea', 'ada']],
  ['sort=owner', ['ada', 'bea', 'dora']],
  ['sort=nonsense&part=nonsense', ['bea', 'dora', 'ada']]
])('of all who wait, ?%s shows these', (query, owners) => {
  const filter = filterOf(new URLSearchParams(query));
  expect(filtered(WAITING, filter).map(each => each.owner)).toEqual(owners);
});

test.each([
  ['', ['one', 'two']],
  ['q=lender-2', ['two']],
  ['q=guarantee', ['two']],
  ['loans=oldest', ['two', 'one']],
  ['loans=lender', ['two', 'one']]
])('of all loans, ?%s shows these', (query, borrowers) => {
  const older = { since: null, held_since: '2026-12-01T09:00:00Z', kind: 'guarantee' };
  const loans = [aLoan('one', 'lender-3'), aLoan('two', 'lender-2', older)];
  const filter = filterOf(new URLSearchParams(query));
  expect(filteredLoans(loans, filter).map(each => each.borrower.words)).toEqual(borrowers);
});

test('what is looked for stands in the address as short as it can', () => {
  expect(queryOf(filterOf(new URLSearchParams())).toString()).toBe('');
  const query = 'part=loans&q=ada&kind=job&why=turn&sort=longest&loans=lender';
  expect(queryOf(filterOf(new URLSearchParams(query))).toString()).toBe(query);
});

test('ten thousand are looked through in an instant, also by words and in another order', () => {
  const many = Array.from({ length: 10_000 }, (_, n) =>
    aWait({ owner: `user-${String(n % 500)}`, job_id: String(n), reason: `reason ${String(n)}` })
  );
  const filter = filterOf(new URLSearchParams('q=user-7+reason&sort=owner'));
  filtered(many, filter);
  const began = performance.now();
  expect(filtered(many, filter).length).toBe(11 * 20);
  expect(performance.now() - began).toBeLessThan(250);
});

test('why one waits, for whom, until when and what would help are said of each', async () => {
  const told = waits({ waiting: WAITING });
  const { page } = await draw(<WaitsView />, asAdmin(told));
  await doing(() => undefined);
  const row = (owner: string): HTMLElement => found(page, `[data-sublet-owner="${owner}"]`);
  expect(text(row('bea'), 'wait-why')).toBe('Others have their turn.');
  expect(text(row('bea'), 'wait-for')).toBe('cleo, a job of dora');
  expect(text(row('bea'), 'wait-place')).toBe('place 1');
  expect(text(row('bea'), 'wait-expected')).toMatch(/\d\d:\d\d/);
  expect(text(row('dora'), 'wait-helps')).toBe('ask for 4 GiB or less');
  expect(row('dora').textContent).toContain('dora · training');
  expect(text(row('ada'), 'wait-expected').trim()).toBe('not known');
  expect(text(row('ada'), 'wait-helps')).toBe('nothing was found');
  expect(text(page, 'found')).toBe('3 of 3 who wait');
});

test('of several that wait for one reason the summary speaks as of several', async () => {
  const sums = [
    { kind: 'job', code: 'limit-full', count: 2 },
    { kind: 'cell', code: 'turn', count: 1 }
  ];
  const { page } = await draw(<WaitsView />, asAdmin(waits({ waiting: WAITING, sums })));
  await doing(() => undefined);
  const told = [...page.querySelectorAll('[data-sublet="reason-sum"]')];
  expect(told.map(each => each.textContent)).toEqual(['2 jobs · limit full', '1 cell · turn']);
});

test('a reason of the summary shows those who wait for it, and pressed again all', async () => {
  const { page } = await draw(<WaitsView />, asAdmin(waits({ waiting: WAITING })));
  await doing(() => undefined);
  const reason = (): HTMLButtonElement | null =>
    page.querySelector('[data-sublet="reason-sum"][data-sublet-code="turn"]');
  await doing(() => reason()?.click());
  expect(text(page, 'found')).toBe('1 of 3 who wait');
  expect(reason()?.getAttribute('aria-pressed')).toBe('true');
  expect(window.location.search).toBe('?kind=cell&why=turn');
  await doing(() => reason()?.click());
  expect(text(page, 'found')).toBe('3 of 3 who wait');
});

test('where not all are told, how many there are is said all the same', async () => {
  const { page } = await draw(
    <WaitsView />,
    asAdmin(waits({ waiting: WAITING, total_waiting: 20_000 }))
  );
  await doing(() => undefined);
  expect(text(page, 'found')).toBe('3 of 20000 who wait (looked for among the first 3)');
});

test('folded out, it is told who holds what on the card that one waits on', async () => {
  const { page, console } = await draw(<WaitsView />, asAdmin(waits({ waiting: [CELL] })));
  const slices = [aSlice({ owner: 'cleo', cap_gib: 40, on_card_gib: 30, utilisation: 90 })];
  await doing(() => {
    console.cards.take({ cards: [aCard({ slices })], gone: [], complete: true });
  });
  await doing(() => {
    button(page, 'bea · default server').click();
  });
  expect(text(page, 'wait-holders')).toContain('cleo: 30 GiB of a cap of 40 GiB');
  const link = page.querySelector('[data-sublet="wait-details"] a');
  expect(link?.getAttribute('href')).toBe('/services/sublet/view/cards?q=node-a%3A0');
});

test('loans are pairs: who has it, from whom, how much, since when', async () => {
  const guarantee = aLoan('eva', 'research', { kind: 'guarantee', since: null });
  const { page } = await draw(
    <WaitsView />,
    asAdmin(waits({ loans: [aLoan('a job of ada', 'bob'), guarantee] }))
  );
  await doing(() => undefined);
  expect(text(page, 'nobody')).toBe('Nobody waits.');
  await doing(() => {
    page.querySelector<HTMLButtonElement>('[data-sublet="part-loans"]')?.click();
  });
  const rows = [...page.querySelectorAll('[data-sublet="loan"]')].map(each => each.textContent);
  expect(rows[0]).toContain('a job of adabobof an idle slice0.5 cards 40 GiBnode-a:1 H100');
  expect(rows[1]).toContain('held since');
  await doing(() => {
    type(found(page, '[data-sublet="search"]') as HTMLInputElement, 'research');
  });
  expect(page.querySelectorAll('[data-sublet="loan"]')).toHaveLength(1);
  expect(text(page, 'found')).toBe('1 of 2 loans');
});

test('a user sees their own, and who waits for what of theirs', async () => {
  const told = waits({
    waiting: [CELL],
    for_owner: [
      {
        kind: 'cell',
        who: 'another owner',
        since: AT,
        slice_id: 'slice-of-ada',
        server: '',
        job_id: null,
        node: 'node-a',
        gpu_index: 0
      }
    ],
    loans: [aLoan('a job', 'ada')]
  });
  const service = new FakeService({ waits: () => json(told) });
  const { page } = await draw(<WaitsView />, service, USER);
  await doing(() => undefined);
  expect(service.asked.map(each => each.url)).toEqual(['/services/sublet/api/waits']);
  expect(text(page, 'mine-waits')).toContain('Others have their turn.');
  expect(text(page, 'for-mine')).toContain(
    'another owner waits for the slice of your default server on node-a:0'
  );
  expect(text(page, 'my-loans')).toContain('a job');
  expect(page.querySelector('search')).toBeNull();
});

test('a user of whom nothing waits reads that', async () => {
  const service = new FakeService({ waits: () => json(waits()) });
  const { page } = await draw(<WaitsView />, service, USER);
  await doing(() => undefined);
  expect(page.textContent).toContain('Nothing of yours waits.');
  expect(page.textContent).toContain('Nobody waits for anything of yours.');
});

test('what a user wrote is text', async () => {
  const nasty = '<img src=x onerror=alert(1)>';
  const waiting = [aWait({ owner: nasty, job_name: nasty, reason: nasty, waits_for: [nasty] })];
  const { page } = await draw(<WaitsView />, asAdmin(waits({ waiting })));
  await doing(() => undefined);
  expect(page.querySelector('img')).toBeNull();
  expect(text(page, 'wait-for')).toBe(nasty);
});

test('what cannot be asked is told', async () => {
  const service = new FakeService({
    'waits?all=1': () => json({ message: 'the service is busy' }, 503)
  });
  const { page } = await draw(<WaitsView />, service);
  await doing(() => undefined);
  expect(page.textContent).toBe('the service is busy');
});

test('after an answer nobody asks anew for a while, and then once for all who wanted to', async () => {
  vi.useFakeTimers();
  let asked = 0;
  const question = new Question(() => Promise.resolve((asked += 1)), 3000);
  void question.refresh();
  await vi.advanceTimersByTimeAsync(1);
  void question.refresh();
  void question.refresh();
  await vi.advanceTimersByTimeAsync(2900);
  expect(asked).toBe(1);
  await vi.advanceTimersByTimeAsync(200);
  expect(asked).toBe(2);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toBe(2);
});
