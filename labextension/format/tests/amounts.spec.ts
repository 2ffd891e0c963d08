import { expect, test } from 'vitest';

import { mibOf } from '../src/amounts';

test.each([
  ['24', 24564],
  [' 24.0 ', 24564],
  ['10', 10240],
  ['23.9', 24474],
  ['12.5', 12800],
  ['', NaN],
  ['all', NaN]
])('%j GiB on a card of 24564 MiB are %i MiB', (text, mib) => {
  expect(mibOf(text, [10240, null, 24564])).toBe(mib);
});
