import { beforeAll, expect, test } from 'vitest';

import type { Announcement } from '../src/api/types';
import { tell } from '../src/views/cards/deeds';
import { NoticesView } from '../src/views/notices/NoticesView';
import { aCard, aSlice } from './support/answers';
import { button, doing, draw, FakeService, json, SESSION, type } from './support/page';

beforeAll(() => {
  // happy-dom opens no dialogs in front of others.
  HTMLDialogElement.prototype.showModal = function showModal(): void {
    this.open = true;
  };
});

const NO_WAY = (): Response => json({ channels: [], is_full: false, reports: null });
const HTML = '<img src=x onerror="window.hurt=1">';
const CARD = aCard({ slices: [aSlice({ owner: 'ada' }), aSlice({ owner: 'bea', id: 's2' })] });

function told(id: string, more: Partial<Announcement>): Announcement {
  return {
    announcement_id: id,
    text: 'save your work',
    audience: 'all',
    name: null,
    made_by: 'root',
    within: [],
    made_at: '2026-12-02T09:00:00Z',
    until: '2026-12-03T09:00:00Z',
    ...more
  };
}

function field(page: HTMLElement, label: string): HTMLInputElement {
  const found = [...page.querySelectorAll('label')].find(each => each.textContent === label);
  return document.getElementById(found?.htmlFor ?? '') as HTMLInputElement;
}

async function choose(page: HTMLElement, value: string): Promise<void> {
  await doing(() => {
    const select = page.querySelector('select');
    if (select === null) {
      throw new Error('no choice');
    }
    select.value = value;
    select.dispatchEvent(new Event('change', { bubbles: true }));
  });
}

async function send(page: HTMLElement): Promise<void> {
  await doing(() => {
    page.querySelector<HTMLFormElement>('dialog form')?.requestSubmit();
  });
}

test('what is told is listed with to whom, by whom and as text', async () => {
  const service: FakeService = new FakeService({
    deliveries: NO_WAY,
    announcements: () =>
      json([
        told('a', { text: HTML }),
        told('b', { audience: 'owner', name: 'ada' }),
        told('c', { audience: 'group', name: 'nlp' }),
        told('d', { audience: 'card', name: CARD.report.gpu_id }),
        told('e', { audience: 'node', name: 'node-a' }),
        told('f', { audience: 'by-moon', name: 'full' })
      ])
  });
  const { page, console } = await draw(<NoticesView />, service);
  await doing(() => {
    console.cards.take({ cards: [CARD], gone: [], complete: true });
  });
  const heads = [...page.querySelectorAll('[data-sublet="notice"] b')].map(e => e.textContent);
  expect(heads).toEqual([
    'To everybody',
    'To ada',
    'To group nlp',
    'To all on card node-a:0',
    'To all on node node-a',
    'To by-moon full'
  ]);
  expect(page.querySelector('img')).toBeNull();
  expect(page.textContent).toContain(HTML);
});

test('a notice is written to whom one chooses, and a warning is told', async () => {
  const made = { ...told('a', {}), warning: 'JupyterHub has no group ‘labs’' };
  const service: FakeService = new FakeService({
    announcements: () => json(service.asked.at(-1)?.method === 'POST' ? made : []),
    deliveries: NO_WAY,
    'quota/tree': () => json({ groups: [{ share: { group: 'nlp' } }, { share: { group: 'lab' } }] })
  });
  const { page } = await draw(<NoticesView />, service);
  expect(page.textContent).toContain('Nothing is told to anybody.');
  await doing(() => {
    button(page, 'Write a notice…').click();
  });
  await choose(page, 'group');
  expect([...page.querySelectorAll('datalist option')].map(e => e.getAttribute('value'))).toEqual([
    'lab',
    'nlp'
  ]);
  await doing(() => {
    type(field(page, 'Name'), 'labs');
    type(field(page, 'What is told'), 'save your work');
  });
  await send(page);
  const posted = service.asked.find(each => each.method === 'POST');
  expect(posted?.body).toEqual({
    text: 'save your work',
    until: null,
    audience: 'group',
    name: 'labs'
  });
  expect(page.querySelector('dialog')).toBeNull();
  expect(page.querySelector('[data-sublet="said"]')?.textContent).toContain('has no group');
});

test('a notice to everybody has no name, and a refusal leaves what was written', async () => {
  const service: FakeService = new FakeService({
    deliveries: NO_WAY,
    announcements: () =>
      service.asked.at(-1)?.method === 'POST'
        ? json({ message: 'there are 100 announcements already' }, 409)
        : json([])
  });
  const { page } = await draw(<NoticesView />, service);
  await doing(() => {
    button(page, 'Write a notice…').click();
  });
  await choose(page, 'all');
  await doing(() => {
    type(field(page, 'What is told'), 'save your work');
  });
  await send(page);
  expect(page.querySelector('[role="alert"]')?.textContent).toContain('100 announcements');
  expect(field(page, 'What is told').value).toBe('save your work');
  expect(service.asked.at(-1)?.body).toMatchObject({ audience: 'all', name: null });
});

test('a notice is taken back, and the keyboard stays on the page', async () => {
  let left = [told('a', {})];
  const service: FakeService = new FakeService({
    deliveries: NO_WAY,
    announcements: () => json(left),
    'announcements/withdraw': () => {
      const [first] = left;
      left = [];
      return json(first);
    }
  });
  const { page } = await draw(<NoticesView />, service);
  await doing(() => {
    button(page, 'Take back').click();
  });
  expect(service.asked.map(each => each.body)).toContainEqual({ announcement_id: 'a' });
  expect(page.querySelector('[data-sublet="notice"]')).toBeNull();
  expect(page.querySelector('[data-sublet="said"]')?.textContent).toBe(
    'Taken back: save your work'
  );
  expect(document.activeElement).toBe(button(page, 'Write a notice…'));
});

test('who is told from the view of cards: each owner once, or whoever is on a card', async () => {
  const service: FakeService = new FakeService({ announcements: () => json({}) });
  const notice = { text: 'x', until: null };
  const { slices } = CARD;
  await tell(service.client, { cards: [CARD], slices: [...slices, ...slices] }, notice);
  await tell(service.client, { cards: [CARD], slices: [] }, notice);
  expect(service.asked.map(each => each.body)).toEqual([
    { ...notice, audience: 'owner', name: 'ada' },
    { ...notice, audience: 'owner', name: 'bea' },
    { ...notice, audience: 'card', name: CARD.report.gpu_id }
  ]);
});

test('what could not be delivered by mail or webhook is told with why', async () => {
  const way = { channel: 'mail', waiting: 2, sent: 7, failed: 0, problem: null, problem_at: null };
  const bad = {
    ...way,
    channel: 'webhook',
    failed: 1,
    problem: 'the receiver refuses it',
    problem_at: '2026-12-02T09:00:00Z'
  };
  const reports = {
    next_at: '2026-12-07T07:00:00Z',
    week: '2026-W48',
    made_at: '2026-11-30T07:00:00Z',
    receivers: 3,
    without: ['art', '<b>law</b>'],
    more_without: 1,
    problem: 'the report of 2026-W49 cannot be made'
  };
  const service: FakeService = new FakeService({
    announcements: () => json([]),
    deliveries: () => json({ channels: [way, bad], is_full: false, reports })
  });
  const { page } = await draw(<NoticesView />, service);
  await doing(() => undefined);
  const [mail, hook] = page.querySelectorAll('[data-sublet="way"]');
  expect(mail?.textContent).toBe('mail  7 sent, 2 waiting');
  expect(hook?.textContent).toContain('1 given up');
  expect(hook?.textContent).toContain('the receiver refuses it');
  const out = page.querySelector('[data-sublet="reports-out"]')?.textContent;
  expect(out).toMatch(/to 3 users · last: 2026-W48 · next:.*Dec 7/);
  expect(out).toContain('Nobody is told of: art, <b>law</b> and 1 more');
  expect(out).toContain('cannot be made');
});

test('an admin of groups writes to theirs alone, and takes back what is told within them', async () => {
  const lead = { ...SESSION, name: 'lead', admin: false, sees_all: false, groups: ['nlp'] };
  const service: FakeService = new FakeService({
    announcements: () =>
      service.asked.at(-1)?.method === 'POST'
        ? json({ ...told('b', {}), warning: null }, 201)
        : json([told('a', { audience: 'group', name: 'nlp', made_by: 'bea', within: ['nlp'] })]),
    'quota/tree': () =>
      json({ groups: [{ share: { group: 'nlp' } }, { share: { group: 'nlp-1' } }] })
  });
  const { page } = await draw(<NoticesView />, service, lead);
  await doing(() => undefined);
  expect(page.querySelector('[data-sublet="notice"]')?.textContent).toContain(
    'by bea, admin of nlp'
  );
  expect(button(page, 'Take back').disabled).toBe(false);
  expect(page.querySelector('[data-sublet="deliveries"]')).toBeNull();
  expect(service.asked.map(each => each.url).some(each => each.includes('deliveries'))).toBe(false);

  await doing(() => {
    button(page, 'Write a notice…').click();
  });
  await doing(() => undefined);
  const options = [...page.querySelectorAll('dialog select option')];
  expect(options.map(each => each.getAttribute('value'))).toEqual(['group', 'owner']);
  const names = [...page.querySelectorAll('datalist option')];
  expect(names.map(each => each.getAttribute('value'))).toEqual(['nlp', 'nlp-1']);
  await doing(() => {
    type(field(page, 'Name'), 'nlp-1');
    type(field(page, 'What is told'), HTML);
  });
  await send(page);
  const posted = service.asked.find(each => each.method === 'POST');
  expect(posted?.body).toMatchObject({ text: HTML, audience: 'group', name: 'nlp-1' });
});
