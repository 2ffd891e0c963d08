import { expect, test } from 'vitest';

import { readSession } from '../src/model/session';
import { App } from '../src/shell/App';
import { placeOf } from '../src/shell/router';
import { bundleOf } from '../src/words/bundle';
import { doing, draw, SESSION } from './support/page';

function links(page: HTMLElement): (string | null)[] {
  return [...page.querySelectorAll('nav a')].map(each => each.textContent);
}

test('an admin has the cards, and a line that recommends an origin for each user', async () => {
  const { page } = await draw(<App />);
  expect(links(page)).toEqual([
    'Cards',
    'My share',
    'Who waits for whom',
    'Use',
    'Quotas',
    'Notices'
  ]);
  expect(page.querySelector('h1')?.textContent).toBe('Cards');
  expect(page.querySelector('[data-sublet="one-origin"]')?.textContent).toContain(
    'JupyterHub.subdomain_host'
  );
});

test('a user has their own part alone', async () => {
  const { page } = await draw(<App />, undefined, { ...SESSION, admin: false, sees_all: false });
  expect(links(page)).toEqual(['My share', 'Who waits for whom', 'Use']);
  expect(page.querySelector('[data-sublet="one-origin"]')).toBeNull();
});

test('where users have origins of their own nothing is recommended', async () => {
  const { page } = await draw(<App />, undefined, { ...SESSION, own_origins: true });
  expect(page.querySelector('[data-sublet="one-origin"]')).toBeNull();
});

test('another view is opened without another page, and has the focus', async () => {
  const { page } = await draw(<App />);
  await doing(() => {
    page.querySelector<HTMLAnchorElement>('nav a[href$="view/share"]')?.click();
  });
  expect(window.location.pathname).toBe('/services/sublet/view/share');
  expect(page.querySelector('h1')?.textContent).toBe('My share');
  expect(document.activeElement?.id).toBe('main');
  expect(page.querySelector('nav a[aria-current="page"]')?.textContent).toBe('My share');
  window.history.replaceState(null, '', '/services/sublet/');
});

test.each([
  ['/services/sublet/', ''],
  ['/services/sublet/view/cards', 'cards'],
  ['/services/sublet/view/quotas/science', 'quotas'],
  ['/elsewhere/view/cards', '']
])('at %s the view is “%s”', (pathname, view) => {
  expect(placeOf({ pathname, search: '' }, '/services/sublet/').view).toBe(view);
});

test('the session is read of the page, and nothing is nobody’s', () => {
  const page = document.implementation.createHTMLDocument();
  expect(readSession(page)).toMatchObject({ name: '', admin: false });
  const meta = page.createElement('meta');
  meta.name = 'sublet-session';
  meta.content = JSON.stringify({ name: 'ada', admin: true });
  page.head.append(meta);
  expect(readSession(page)).toMatchObject({ name: 'ada', admin: true });
});

test('sentences are filled in, in another language where there is a catalogue', () => {
  const german = bundleOf({
    '%1 of %2 cards': ['%1 von %2 Karten'],
    '%1 card': ['%1 Karte', '%1 Karten']
  });
  expect(german.__('%1 of %2 cards', 1, 2)).toBe('1 von 2 Karten');
  expect(german._n('%1 card', '%1 cards', 1)).toBe('1 Karte');
  expect(german._n('%1 card', '%1 cards', 3)).toBe('3 Karten');
  expect(german.__('not there: %1', 'x')).toBe('not there: x');
});

test('a name that steers the direction of writing turns no sentence, and others stay as they are', () => {
  const trans = bundleOf();
  expect(trans.__('Drained by %1: %2', '\u202eeve', 'a\tfan\u0007')).toBe(
    'Drained by \\u202eeve: a\tfan\\u0007'
  );
  expect(trans.__('of %1', 'דנה · Zoë')).toBe('of דנה · Zoë');
});
