/** A page that a test looks at: widgets are attached to it, and it is cleared afterwards. */
import { Widget } from '@lumino/widgets';
import { vi } from 'vitest';

import { partsOf } from '../../src/model/parts';
import { ShareModel } from '../../src/model/share';
import type { PageContext } from '../../src/controls/pageContext';
import type { FakeApi } from './fakeApi';
import { trans } from './words';

// Browsers have it, happy-dom has not: Lab's React widgets draw when the page is idle.
globalThis.requestIdleCallback = (draw: IdleRequestCallback): number =>
  Number(
    setTimeout(() => {
      draw({ didTimeout: false, timeRemaining: () => 1 });
    }, 0)
  );

export interface FakePage extends PageContext {
  actions: PageContext['actions'];
  /** What was asked of Lab. */
  did: string[];
}

export function pageContextOf(api: FakeApi): FakePage {
  const did: string[] = [];
  return {
    trans,
    model: new ShareModel({
      api,
      serverName: '',
      interval_s: 2,
      parts: partsOf('service,agent')
    }),
    did,
    actions: {
      openNotebook: path => did.push(`open ${path}`),
      followLog: job => did.push(`log ${job.job_id}`),
      promote: () => did.push('promote'),
      tell: (text, outcome) => did.push(`${outcome}: ${text}`)
    }
  };
}

/** Attach a widget and let everything settle: answers, timers and drawing. */
export async function show(widget: Widget): Promise<HTMLElement> {
  Widget.attach(widget, document.body);
  await settled();
  return widget.node;
}

/** The panel with everything that it asks for. */
export async function openPanel(panel: Widget, { model }: PageContext): Promise<HTMLElement> {
  const node = await show(panel);
  await doing(() => {
    model.start();
  });
  await doing(() => {
    model.refresh();
  });
  return node;
}

/** Put this text in place of an input's. */
export async function write(input: HTMLElement | null, text: string): Promise<void> {
  await doing(() => {
    const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')?.set;
    set?.call(input, text);
    input?.dispatchEvent(new Event('input', { bubbles: true }));
  });
}

export async function doing(deed: () => void): Promise<void> {
  deed();
  await settled();
}

export function part(node: HTMLElement, name: string): HTMLElement {
  const found = node.querySelector<HTMLElement>(`[data-sublet="${name}"]`);
  if (found === null) {
    throw new Error(`there is no ${name} in: ${node.textContent}`);
  }
  return found;
}

/** Some things begin a moment after what is done, on a machine that may stand still meanwhile. */
export async function eventually(check: () => void): Promise<void> {
  await vi.waitFor(check, { timeout: 20_000 });
}

/** Answers of the fake arrive within a few turns of the loop, and are drawn in the next ones. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) {
    await new Promise(resolve => setTimeout(resolve, 0));
  }
}
