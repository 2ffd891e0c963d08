import { expect, test } from 'vitest';

import type { Card } from '../src/api/types';
import { Legend } from '../src/views/cards/Legend';
import { summaryOf } from '../src/views/cards/summary';
import { SummaryPart } from '../src/views/cards/SummaryPart';
import { aCard, aSlice } from './support/answers';
import { draw } from './support/page';

async function lookAt(cards: Card[], power_w: [string, number][] = []): Promise<HTMLElement> {
  const summary = summaryOf(cards, new Map(power_w));
  return (await draw(<SummaryPart summary={summary} onHolder={() => undefined} />)).page;
}

test('what a holder has by jobs stands beside what their slices have on cards', async () => {
  const slices = [
    aSlice({ owner: 'ada', cap_gib: 10, on_card_gib: 4 }),
    aSlice({ owner: 'ada', id: 'j', job: true, cap_gib: 16, on_card_gib: 16 })
  ];
  const page = await lookAt([aCard({ slices })]);
  expect(page.querySelector('[data-sublet="holders"]')?.textContent).toContain(
    'ada 10 GiB · 4 GiB on cards · 16 GiB by jobs · '
  );
});

test('power that only some of the cards tell is said to be of these', async () => {
  const cards = [aCard(), aCard({ index: 1 })];
  expect((await lookAt(cards, [['node-a-0', 200]])).textContent).toContain(
    'power of 1 of 2 cards200 W'
  );
  const all: [string, number][] = [
    ['node-a-0', 200],
    ['node-a-1', 100]
  ];
  expect((await lookAt(cards, all)).textContent).toContain('power300 W');
});

test('of more holders than are named it is said how many', async () => {
  const slices = Array.from({ length: 10 }, (_, place) =>
    aSlice({ owner: `user-${String(place)}`, cap_gib: 4 })
  );
  const page = await lookAt([aCard({ slices })]);
  const named = [...page.querySelectorAll('[data-sublet="holders"] li')];
  expect(named).toHaveLength(9);
  expect(named.at(-1)?.textContent).toBe('and 2 more');
});

test('the legend tells what the lane of jobs is', async () => {
  const { page } = await draw(<Legend />);
  expect(page.querySelector('.is-job')?.parentElement?.textContent).toBe('a job, below owners');
});
