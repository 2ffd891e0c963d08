import { describe, expect, test } from 'vitest';

import { shapesOf } from '../src/panel/historyShapes';
import { history } from './support/answers';
import { before, NOW } from './support/words';

const SIZE = { width: 360, height: 100 };

function point(age_s: number, fields: Record<string, unknown> = {}): Record<string, unknown> {
  return { at: before(age_s).toISOString(), memory_mib: 20480, ...fields };
}

describe('the last hour as shapes', () => {
  test('time runs from left to right over an hour', () => {
    const shapes = shapesOf(history([point(3600), point(1800), point(0)]), SIZE, NOW);
    expect(shapes.utilisation).toMatch(/^M0 .*M180 .*M360 /);
  });

  test('a young record is not squeezed into a corner', () => {
    const young = shapesOf(history([point(1200), point(600), point(0)]), SIZE, NOW);
    expect([young.since, young.utilisation.indexOf('M180 ') > 0]).toEqual([before(1200), true]);
    expect(shapesOf(history([point(10)]), SIZE, NOW).since).toEqual(before(600));
  });

  test('where the agent was away there is a gap', () => {
    const shapes = shapesOf(history([point(100), point(90), point(40), point(30)]), SIZE, NOW);
    expect(shapes.onGpu.match(/Z/g)).toHaveLength(2);
  });

  test('a lent time is one span, from its first point to its last', () => {
    const lent = { lent: true };
    const shapes = shapesOf(
      history([point(600), point(590, lent), point(580, lent), point(570), point(560, lent)]),
      SIZE,
      NOW
    );
    expect(shapes.lent.map(each => [each.from, each.until])).toEqual([
      [before(590), before(570)],
      [before(560), before(550)]
    ]);
    expect(shapes.lent_s).toBe(30);
  });

  test('what is more than the cap still fits', () => {
    const shapes = shapesOf(history([point(10, { memory_mib: 50000 })]), SIZE, NOW);
    expect(shapes.top_mib).toBeGreaterThan(50000);
    expect(shapes.capY).toBeGreaterThan(0);
  });

  test('what is older than an hour is left out', () => {
    expect(shapesOf(history([point(4000, { memory_mib: 9 })]), SIZE, NOW).most_mib).toBe(0);
  });

  test('an empty record has no shapes', () => {
    expect(shapesOf(history([]), SIZE, NOW)).toMatchObject({ onGpu: '', lent: [] });
  });
});
