import { expect, test, vi } from 'vitest';

import { Caught } from '../src/shell/Caught';
import { draw } from './support/page';

function Broken(): React.JSX.Element {
  throw new Error('a part that was not fetched');
}

test('in place of a view that cannot be shown stands what to do, and the rest of the page stays', async () => {
  const said = vi.spyOn(globalThis.console, 'error').mockImplementation(() => undefined);
  const page = (name: string): React.JSX.Element => (
    <>
      <h1>Use</h1>
      <Caught key={name}>{name === 'use' ? <Broken /> : <p>the cards</p>}</Caught>
    </>
  );
  const broken = (await draw(page('use'))).page;
  expect(broken.querySelector('h1')?.textContent).toBe('Use');
  const told = broken.querySelector('[data-sublet="not-shown"]');
  expect(told?.getAttribute('role')).toBe('alert');
  expect(told?.querySelector('button')?.textContent).toBe('Load the page anew');
  expect((await draw(page('cards'))).page.textContent).toContain('the cards');
  said.mockRestore();
});
