/** The promote dialog as its user sees it, and the ways to close it. */
import { Dialog } from '@jupyterlab/apputils';
import type { Contents } from '@jupyterlab/services';
import { MessageLoop } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { doing, type FakePage } from './page';

/** A Lab whose files are all on one drive, by their paths. */
export const CONTENTS = {
  driveName: () => '',
  localPath: (path: string) => path
} as unknown as Contents.IManager;

export function pressEscape(): void {
  const escape = new KeyboardEvent('keydown', { key: 'Escape', bubbles: true });
  document.activeElement?.dispatchEvent(escape);
}

export function requestClose(): void {
  for (const each of Dialog.tracker.filter(() => true)) {
    MessageLoop.sendMessage(each, Widget.Msg.CloseRequest);
  }
}

export function dialogs(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>('[data-sublet="promote-dialog"]')];
}

export function dialog(): HTMLElement {
  const [only] = dialogs();
  if (only === undefined) {
    throw new Error(`there is no dialog in: ${document.body.textContent}`);
  }
  return only;
}

export function button(label: string): HTMLButtonElement {
  const found = [...dialog().querySelectorAll<HTMLButtonElement>('.jp-Dialog-button')].find(
    each => each.textContent === label
  );
  if (found === undefined) {
    throw new Error(`there is no button ${label} in: ${dialog().textContent}`);
  }
  return found;
}

/** Close what is open, and end the page: after each test. */
export async function leave(page: FakePage): Promise<void> {
  await doing(() => {
    Dialog.flush();
  });
  page.model.dispose();
}
