import { beforeAll, expect, test } from 'vitest';

import type { Card } from '../src/api/types';
import { Deeds } from '../src/views/cards/Deeds';
import { open } from '../src/views/cards/deeds';
import { useSelection } from '../src/views/cards/selection';
import { SliceTable } from '../src/views/cards/SliceTable';
import { aCard, aSlice } from './support/answers';
import { button, doing, draw, FakeService, json, type } from './support/page';

beforeAll(() => {
  // happy-dom opens no dialogs in front of others.
  HTMLDialogElement.prototype.showModal = function showModal(): void {
    this.open = true;
  };
});

const ADA = aSlice({ owner: 'ada', id: 'slice-1', lent_to: ['a job of bea'] });
const JOB = aSlice({ owner: 'bea', id: 'slice-2', job: true });
const CARDS = [aCard({ slices: [ADA, JOB] }), aCard({ index: 1 })];

function Both({ cards }: { cards: readonly Card[] }): React.JSX.Element {
  const selection = useSelection(cards);
  return (
    <>
      <button
        onClick={() => {
          selection.chooseCards(cards, true);
        }}
      >
        choose cards
      </button>
      <Deeds selection={selection} />
      {cards.map(each => (
        <SliceTable key={each.report.gpu_id} card={each} selection={selection} />
      ))}
    </>
  );
}

async function click(page: HTMLElement, name: string): Promise<void> {
  await doing(() => {
    button(page, name).click();
  });
}

function field(page: HTMLElement, label: string): HTMLInputElement {
  const found = [...page.querySelectorAll('label')].find(each => each.textContent === label);
  return document.getElementById(found?.htmlFor ?? '') as HTMLInputElement;
}

test('nothing can be done where nothing is chosen', async () => {
  const { page } = await draw(<Both cards={CARDS} />);
  for (const name of ['Drain…', 'Close…', 'Open…', 'Give back now', 'Evict…']) {
    expect(button(page, name).disabled).toBe(true);
  }
});

test('several cards are drained at once, and what was refused is told of each', async () => {
  let count = 0;
  const service = new FakeService({
    closings: () => {
      count += 1;
      return count === 1 ? json({}) : json({ message: 'there is no card node-a-1' }, 404);
    }
  });
  const { page } = await draw(<Both cards={CARDS} />, service);
  await click(page, 'choose cards');
  await click(page, 'Drain…');
  expect(page.querySelector('dialog')?.textContent).toContain('1 job goes back to the queue.');
  await doing(() => {
    type(field(page, 'Why'), 'a fan is loud');
  });
  await doing(() => {
    page.querySelector<HTMLFormElement>('dialog form')?.requestSubmit();
  });
  expect(service.asked.map(each => each.body)).toEqual(
    ['node-a-0', 'node-a-1'].map(where => ({
      where,
      reason: 'a fan is loud',
      until: null,
      drain: true,
      begins_at: null
    }))
  );
  expect(page.querySelector('dialog')).toBeNull();
  expect(page.querySelector('[data-sublet="outcome"]')?.textContent).toBe(
    'Done: 1.node-a:1: there is no card node-a-1'
  );
});

test('a drain begins at the time that was chosen, in the time zone of who looks', async () => {
  const service = new FakeService({ closings: () => json({}) });
  const { page } = await draw(<Both cards={CARDS} />, service);
  await click(page, 'choose cards');
  await click(page, 'Drain…');
  await doing(() => {
    type(field(page, 'Why'), 'a fan is loud');
    type(field(page, 'From'), '2026-12-02T18:00');
  });
  await doing(() => {
    page.querySelector<HTMLFormElement>('dialog form')?.requestSubmit();
  });
  expect(service.asked[0]?.body).toMatchObject({
    begins_at: new Date('2026-12-02T18:00').toISOString()
  });
});

test.each([
  ['is done when it lets one', '0', [429, 429, 200, 200], { done: 2, failed: [] }],
  [
    'is given up after some tries',
    '0',
    [429, 429, 429, 429, 429, 200],
    { done: 1, failed: [{ what: 'node-a:0', why: 'too many' }] }
  ],
  [
    'is not waited for where that takes long',
    '60',
    [429, 200],
    { done: 1, failed: [{ what: 'node-a:0', why: 'too many' }] }
  ]
])('what the service has no time for %s', async (_, after, statuses, outcome) => {
  const answers = statuses.values();
  const service = new FakeService({
    'closings/open': () => {
      const status = answers.next().value ?? 200;
      const headers = { 'Retry-After': after };
      return new Response(JSON.stringify({ message: 'too many' }), { status, headers });
    }
  });
  expect(await open(service.client, CARDS, '')).toEqual(outcome);
  expect(service.asked).toHaveLength(statuses.length);
});

test('who leaves a question is where they were, and after a deed at what can be done', async () => {
  const { page } = await draw(<Both cards={CARDS} />);
  await click(page, 'choose cards');
  const drain = button(page, 'Drain…');
  drain.focus();
  await click(page, 'Drain…');
  page.querySelector<HTMLInputElement>('dialog input')?.focus();
  await click(page, 'Leave it');
  expect(document.activeElement).toBe(drain);
  await click(page, 'Open…');
  await doing(() => {
    page.querySelector<HTMLFormElement>('dialog form')?.requestSubmit();
  });
  expect(drain.disabled).toBe(true);
  expect(document.activeElement?.getAttribute('aria-label')).toBe('With what is chosen');
});

test('what is lent of the chosen cards is given back', async () => {
  const service = new FakeService();
  const { page } = await draw(<Both cards={CARDS} />, service);
  await click(page, 'choose cards');
  await click(page, 'Give back now');
  expect(service.asked.map(each => each.url)).toEqual(['/services/sublet/api/slices/slice-1/wake']);
  expect(page.querySelector('[data-sublet="chosen"]')?.textContent).toBe(
    '0 cards, 0 slices chosen'
  );
});

test('a server is stopped after a grace, and a job cancelled where that is chosen', async () => {
  const service = new FakeService();
  const { page } = await draw(<Both cards={CARDS} />, service);
  for (const box of page.querySelectorAll<HTMLInputElement>('tbody input')) {
    await doing(() => {
      box.click();
    });
  }
  await click(page, 'Evict…');
  await doing(() => {
    type(field(page, 'Why'), 'the room is needed');
    type(field(page, 'Minutes until the servers are stopped'), '5');
    page.querySelector<HTMLInputElement>('dialog input[type="checkbox"]')?.click();
  });
  await doing(() => {
    page.querySelector<HTMLFormElement>('dialog form')?.requestSubmit();
  });
  expect(service.asked.map(each => each.body)).toEqual([
    { what: 'slice-1', reason: 'the room is needed', grace_s: 300, cancel: false },
    { what: 'slice-2', reason: 'the room is needed', grace_s: null, cancel: true }
  ]);
});

test('what a user wrote is text', async () => {
  const nasty = '<img src=x onerror=alert(1)>';
  const card = aCard({ slices: [aSlice({ owner: nasty, lent_to: [nasty], group: nasty })] });
  const { page } = await draw(<Both cards={[card]} />);
  expect(page.querySelector('img')).toBeNull();
  expect(page.textContent).toContain(nasty);
});
