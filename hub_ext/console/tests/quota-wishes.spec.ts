import { expect, test } from 'vitest';

import { daysOf, monthName, monthOf, onDay } from '../src/views/quotas/month';
import { dayAfter, namesOf, NoGroupError, withWish } from '../src/views/quotas/wishes';

const TEXT = `\
groups:
  science: {limit: {H100: 8}}   # the institute
  teaching:
    groups:
      ml-101: {}   # a course
`;

test('the limit of a group deep in the tree is set where the group is', () => {
  const { text, line } = withWish(TEXT, {
    kind: 'group',
    group: 'ml-101',
    what: ['limit', 'H100'],
    amount: '2'
  });
  expect(text).toBe(TEXT.replace('ml-101: {}', 'ml-101: {limit: {H100: 2}}'));
  expect(line).toBe(5);
});

test('many people get an exception that ends by itself', () => {
  const { text, line } = withWish(TEXT, {
    kind: 'exception',
    who: namesOf('ada, bob\ncleo ada'),
    groups: [],
    what: ['limit', 'memory'],
    amount: '40 GiB',
    until: '2026-12-14',
    why: 'a deadline'
  });
  expect(text).toBe(
    `${TEXT}exceptions:\n  - {who: [ada, bob, cleo], set: {limit: {memory: 40 GiB}}, until: 2026-12-14, why: a deadline}\n`
  );
  expect(line).toBe(7);
});

test('a reservation says for whom, what and when', () => {
  const { text } = withWish(TEXT, {
    kind: 'reservation',
    name: 'lab: Monday',
    group: 'ml-101',
    gpu_type: 'H100',
    cards: '1/2',
    at: 'Mon 14:00-16:00',
    zone: 'Europe/Berlin',
    until: ''
  });
  expect(text).toContain(
    'reservations:\n  - {name: "lab: Monday", for: ml-101, guaranteed: {H100: 1/2}, at: Mon 14:00-16:00, zone: Europe/Berlin}\n'
  );
});

test('a group that is not there is told, and nothing is written', () => {
  const wish = { kind: 'group', group: 'none', what: ['limit', 'cards'], amount: '1' } as const;
  expect(() => withWish(TEXT, wish)).toThrow(NoGroupError);
});

test('a week later is a day of the calendar, over the end of a month, too', () => {
  expect(dayAfter(new Date(2026, 11, 28), 7)).toBe('2027-01-04');
});

test('a month is shown from the Monday on or before its first day', () => {
  const days = daysOf(new Date(2026, 11, 15));
  expect(days).toHaveLength(42);
  expect(days[0]?.toDateString()).toBe('Mon Nov 30 2026');
  expect(monthName(monthOf('2027-02', new Date(2026, 0, 1)))).toBe('2027-02');
  expect(monthName(monthOf('2027-13', new Date(2026, 0, 9)))).toBe('2026-01');
});

test('what is reserved, and what ends at its midnight, stands on its day', () => {
  const at = (day: number, hour: number): string => new Date(2026, 11, day, hour).toISOString();
  const lab = {
    name: 'lab',
    times: [{ begins_at: at(7, 14), ends_at: at(7, 16) }]
  } as never;
  const exception = { until: at(8, 0) } as never;
  const on = (day: number): [number, number] => {
    const found = onDay(new Date(2026, 11, day), [lab], [exception]);
    return [found.reserved.length, found.ending.length];
  };
  expect([6, 7, 8].map(on)).toEqual([
    [0, 0],
    [1, 1],
    [0, 0]
  ]);
});
