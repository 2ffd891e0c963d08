import { inLocalTime } from '@sublet-lab/format/quantities';
import { expect, test } from 'vitest';

import { CardStore } from '../src/model/cards';
import { holdingOf } from '../src/model/holding';
import { filtered, filterOf, queryOf } from '../src/views/cards/filter';
import { healthOf, reasonsOf } from '../src/views/cards/health';
import { barOf } from '../src/views/cards/segments';
import { summaryOf } from '../src/views/cards/summary';
import { sliceWords } from '../src/views/cards/words';
import { bundleOf } from '../src/words/bundle';
import { aCard, aSlice } from './support/answers';

const NONE = new Map<string, number>();
const trans = bundleOf();

function names(store: CardStore): string[] | undefined {
  return store.store.value.list?.map(each => each.report.gpu_id);
}

test('cards come in several parts, and the first are shown at once, by node and index', () => {
  const store = new CardStore();
  store.take({ cards: [aCard({ node: 'b' }), aCard({ index: 1 })], gone: [], complete: false });
  expect(names(store)).toEqual(['b-0', 'node-a-1']);
  expect(store.store.value.whole).toBe(false);
  store.take({ cards: [aCard()], gone: [], complete: true });
  expect(names(store)).toEqual(['b-0', 'node-a-0', 'node-a-1']);
  expect(store.store.value.whole).toBe(true);
  store.take({ cards: [], gone: ['b-0'], complete: true });
  expect(names(store)).toEqual(['node-a-0', 'node-a-1']);
});

test('after the stream was opened anew, what it does not name is gone', () => {
  const store = new CardStore();
  store.take({ cards: [aCard(), aCard({ index: 1 })], gone: [], complete: true });
  store.restart();
  store.take({ cards: [aCard({ index: 1 })], gone: [], complete: false });
  expect(names(store)).toEqual(['node-a-0', 'node-a-1']);
  store.take({ cards: [], gone: [], complete: true });
  expect(names(store)).toEqual(['node-a-1']);
});

test('power is what the counter grew by between two words, and not told after a reset', () => {
  const store = new CardStore();
  const at = (s: number): string => `2026-12-02T09:00:${String(s).padStart(2, '0')}Z`;
  const tell = (energy_mj: number, s: number): number | undefined => {
    store.take({ cards: [aCard({ energy_mj, seen_at: at(s) })], gone: [], complete: true });
    return store.store.value.power_w.get('node-a-0');
  };
  expect(tell(1_000_000, 0)).toBeUndefined();
  expect(tell(3_000_000, 10)).toBe(200);
  expect(tell(0, 20)).toBe(200);
  expect(tell(1_000_000, 30)).toBe(100);
  // A counter that is read now and then grows by much at once: over so short a span it tells nothing.
  expect(tell(3_000_000, 31)).toBe(100);
  expect(tell(4_000_000, 40)).toBe(300);
  store.restart();
  store.take({ cards: [aCard({ index: 1 })], gone: [], complete: true });
  expect(store.store.value.power_w.size).toBe(0);
});

test.each([
  ['resident and used', { utilisation: 40 }, 'resident', true],
  ['resident and unused', { utilisation: 0, active: true }, 'resident', false],
  ['at work where the card does not tell', { utilisation: null, active: true }, 'resident', true],
  ['paused', { state: 'paused' as const, utilisation: 40 }, 'paused', false],
  ['suspended', { state: 'suspended' as const, active: true }, 'suspended', false]
])('a slice that is %s', (_, facts, where, computes) => {
  expect(holdingOf(aSlice(facts))).toMatchObject({ where, computes });
});

test('a bar is drawn to scale: widths by caps, filled by what lies on the card', () => {
  const ada = aSlice({ owner: 'ada', cap_gib: 40, on_card_gib: 10 });
  const bea = aSlice({ owner: 'bea', cap_gib: 20 });
  const job = aSlice({ owner: 'cleo', job: true, cap_gib: 8, on_card_gib: 8 });
  const bar = barOf(aCard({ slices: [ada, job, bea] }));
  expect(bar.owners.map(each => [each.from, each.width, each.filled])).toEqual([
    [0, 0.5, 0.25],
    [0.5, 0.25, 0]
  ]);
  expect(bar.jobs.map(each => [each.from, each.width, each.filled])).toEqual([[0, 0.1, 1]]);
  expect(bar.end).toBe(1);
});

test('where more is promised than the card has, a mark shows where the card ends', () => {
  const slices = ['ada', 'bea', 'cleo'].map(owner => aSlice({ owner, cap_gib: 40 }));
  const bar = barOf(aCard({ slices }));
  expect(bar.end).toBeCloseTo(80 / 120);
  expect(bar.owners.at(-1)?.from).toBeCloseTo(2 / 3);
});

test('how a card stands, and why', () => {
  const now = new Date();
  expect(healthOf(aCard())).toBe('open');
  const two = { count: 2, pids: [1, 2], held_mib: 5, memory_told: true };
  const foreign = aCard({
    report: { foreign_processes: { ...two, utilisation_percent: 50 } }
  });
  expect(healthOf(foreign)).toBe('pause-only');
  expect(reasonsOf(foreign, trans, now)[0]).toMatch(/^2 processes of no slice.*50 %/);
  const idle = aCard({ report: { foreign_processes: { ...two, utilisation_percent: null } } });
  expect(reasonsOf(idle, trans, now)[0]).not.toMatch(/%/);
  const closing = {
    node: 'node-a',
    gpu_id: null,
    gpu_index: null,
    reason: 'a fan is loud',
    closed_by: 'root',
    closed_at: now.toISOString(),
    until: null,
    drains: true,
    begins_at: null,
    notebooks: 0,
    jobs: 0
  };
  const drained = aCard({ more: { closing } });
  expect(healthOf(drained)).toBe('closed');
  expect(reasonsOf(drained, trans, now)).toEqual([
    'Drained by root: a fan is loud (the whole node)'
  ]);
  const planned = aCard({
    more: { planned_closing: { ...closing, begins_at: '2026-12-02T17:00:00Z' } }
  });
  expect(healthOf(planned)).toBe('open');
  const from = inLocalTime('2026-12-02 17:00 UTC', now);
  expect(reasonsOf(planned, trans, now)).toEqual([
    `Drained by root from ${from}: a fan is loud (the whole node)`
  ]);
  expect(healthOf(aCard({ more: { silent: true } }))).toBe('silent');
});

const FLEET = [
  aCard({
    node: 'a',
    used_gib: 10,
    slices: [aSlice({ owner: 'ada', utilisation: 90, group: 'vision' })]
  }),
  aCard({
    node: 'b',
    used_gib: 30,
    slices: [
      aSlice({ owner: 'bea', lent_to: ['a job of Cleo'], kept: ['cannot', 'cannot be kept'] }),
      aSlice({ owner: 'dan', kept: ['kept', 'kept'] })
    ]
  }),
  aCard({ node: 'c', pool: 'batch', type: 'L4' })
];

test.each([
  ['', ['a', 'b', 'c']],
  ['q=ADA', ['a']],
  ['q=vision+a:0', ['a']],
  ['q=cleo', ['b']],
  ['q=no-such', []],
  ['show=computing', ['a']],
  ['show=not-computing', ['b']],
  ['show=lent', ['b']],
  ['show=share-lacking', ['b']],
  ['show=free', ['c']],
  ['pool=batch', ['c']],
  ['type=L4', ['c']],
  ['sort=used', ['b', 'a', 'c']],
  ['show=nonsense&sort=nonsense', ['a', 'b', 'c']]
])('of all cards, ?%s shows these', (query, nodes) => {
  const filter = filterOf(new URLSearchParams(query));
  expect(filtered(FLEET, filter, NONE).map(each => each.node)).toEqual(nodes);
});

test('what is looked for stands in the address as short as it can', () => {
  expect(queryOf(filterOf(new URLSearchParams())).toString()).toBe('');
  const query = 'q=ada&show=lent&sort=power';
  expect(queryOf(filterOf(new URLSearchParams(query))).toString()).toBe(query);
});

test('who holds most comes first, and jobs are not counted as promised room', () => {
  const summary = summaryOf(
    [
      aCard({
        used_gib: 20,
        utilisation: 50,
        slices: [
          aSlice({ owner: 'ada', cap_gib: 10, on_card_gib: 4, utilisation: 50 }),
          aSlice({ owner: 'bea', cap_gib: 40, lent_to: ['a job of ada'] }),
          aSlice({ owner: 'ada', id: 'j', job: true, cap_gib: 16, on_card_gib: 16 })
        ]
      }),
      aCard({ index: 1, utilisation: null, more: { silent: true } })
    ],
    NONE
  );
  expect(summary).toMatchObject({
    cards: 2,
    troubled: 1,
    slices: 3,
    computing: 1,
    lent: 1,
    jobs: 1,
    utilisation_percent: 50,
    power_w: null
  });
  expect(
    summary.holders.map(each => [
      each.owner,
      ...[each.cap_mib, each.on_card_mib, each.of_jobs_mib].map(mib => mib / 1024)
    ])
  ).toEqual([
    ['bea', 40, 0, 0],
    ['ada', 10, 4, 16]
  ]);
});

test('cards are ordered by temperature, the warmest first, and those that tell none last', () => {
  const cards = [null, -3, 71].map((temperature_c, index) => aCard({ index, temperature_c }));
  const order = filtered(cards, { ...filterOf(new URLSearchParams()), sort: 'temperature' }, NONE);
  expect(order.map(each => each.report.temperature_c)).toEqual([71, -3, null]);
});

test('a segment is told in words', () => {
  const slice = aSlice({ cap_gib: 10, on_card_gib: 2, rank: 'borrowed', lent_to: ['a job'] });
  expect(sliceWords(slice, trans)).toBe(
    'ada: 2 GiB of a cap of 10 GiB, 25 %, resident, not computing, borrowed, lent to a job'
  );
});
