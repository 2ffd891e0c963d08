/** A part of the page, drawn with a console that asks a fake service. */
import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';

import { Client } from '../../src/api/client';
import { Console, ConsoleProvider } from '../../src/model/console';
import type { Session } from '../../src/model/session';

export const SESSION: Session = {
  name: 'root',
  admin: true,
  sees_all: true,
  groups: [],
  prefix: '/services/sublet/',
  hub: '/hub/',
  own_origins: false,
  version: '0'
};

export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

/** A service that answers by the path, with its query or without, and notes what it is asked. */
export class FakeService {
  readonly asked: Asked[] = [];

  constructor(private readonly answers: Readonly<Record<string, () => Response>> = {}) {}

  readonly client = new Client(
    SESSION.prefix,
    (url, options) => {
      this.asked.push({
        method: options.method ?? '',
        url,
        body: typeof options.body === 'string' ? (JSON.parse(options.body) as unknown) : undefined,
        headers: options.headers as Record<string, string>
      });
      const path = url.replace(`${SESSION.prefix}api/`, '');
      const answer = this.answers[path] ?? this.answers[path.replace(/\?.*/, '')];
      return Promise.resolve(answer === undefined ? json({}) : answer());
    },
    () => 'other=1; _xsrf=from-the-cookie'
  );
}

export function json(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), { status });
}

let root: Root | null = null;

export async function draw(
  part: React.JSX.Element,
  service: FakeService = new FakeService(),
  session: Session = SESSION
): Promise<{ page: HTMLElement; console: Console }> {
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });
  const console = new Console(session, service.client);
  const page = document.createElement('div');
  document.body.replaceChildren(page);
  await act(async () => {
    root?.unmount();
    root = createRoot(page);
    root.render(<ConsoleProvider value={console}>{part}</ConsoleProvider>);
    await Promise.resolve();
  });
  return { page, console };
}

/** Do something on the page, and wait until all that follows has been drawn. */
export async function doing(deed: () => void): Promise<void> {
  await act(async () => {
    deed();
    await new Promise(done => setTimeout(done, 0));
  });
}

export function button(page: HTMLElement, name: string): HTMLButtonElement {
  const found = [...page.querySelectorAll('button')].find(each => each.textContent === name);
  if (found === undefined) {
    throw new Error(`no button ${name} in: ${page.textContent}`);
  }
  return found;
}

export function type(field: HTMLInputElement, text: string): void {
  // React looks past what is set on the element itself.
  Reflect.set(HTMLInputElement.prototype, 'value', text, field);
  field.dispatchEvent(new Event('input', { bubbles: true }));
}
