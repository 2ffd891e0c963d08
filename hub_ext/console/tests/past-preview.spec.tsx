import { afterEach, expect, test, vi } from 'vitest';

import { Client } from '../src/api/client';
import type { PastFigures, PastGroup, PastPreview, PastWaits } from '../src/api/types';
import { ConsoleProvider } from '../src/model/console';
import type { Session } from '../src/model/session';
import { DocumentPart } from '../src/views/quotas/DocumentPart';
import { quotasOf } from '../src/views/quotas/model';
import { PastDays } from '../src/views/quotas/past';
import { csvOf, difference, linesOf } from '../src/views/quotas/pastFigures';
import { PastPart } from '../src/views/quotas/PastPart';
import { truthWords } from '../src/views/quotas/PastReport';
import { bundleOf } from '../src/words/bundle';
import { A_PREVIEW } from './support/answers';
import { button, doing, draw, FakeService, json, SESSION, type } from './support/page';

const trans = bundleOf();

function waits(more: Partial<PastWaits> = {}): PastWaits {
  return { count: 0, never: 0, half_s: 0, of_95_s: 0, of_99_s: 0, ...more };
}

function figures(more: Partial<PastFigures> = {}): PastFigures {
  return {
    held_h: 10,
    used_h: 4,
    lent_h: 2,
    idle_h: 4,
    suspended_h: 0,
    jobs_h: 3,
    servers: waits({ count: 30, half_s: 0, of_95_s: 60, of_99_s: 120 }),
    cells: waits(),
    jobs: waits(),
    refusals: [],
    ...more
  };
}

function group(name: string | null, after: Partial<PastFigures> = {}): PastGroup {
  return { group: name, before: figures(), after: figures(after), gain: 1, lose: 2 };
}

function preview(more: Partial<PastPreview> = {}): PastPreview {
  return {
    asked_days: 7,
    begins: '2026-11-25T09:00:00Z',
    ends: '2026-12-02T09:00:00Z',
    people: 12,
    cards: '2xH100:80',
    in_all: group(null, { used_h: 3 }),
    groups: [group('science', { used_h: 3 })],
    gain_most: [],
    lose_most: [
      {
        owner: 'ada',
        computed_before_h: 4,
        computed_after_h: 3,
        waited_before_h: 0,
        waited_after_h: 1
      }
    ],
    unmet_before: { times: 0, first: null },
    unmet_after: { times: 0, first: null },
    truth: { worst_wait: 0.03, hours: 0.05, lines: [] },
    notes: [],
    left_out: 0,
    ...more
  };
}

/** A service whose answer a test sends into, event by event. */
function streaming(): {
  client: Client;
  bodies: unknown[];
  send: (event: string, data: unknown) => Promise<void>;
  end: () => Promise<void>;
  signal: () => AbortSignal | null;
} {
  const bodies: unknown[] = [];
  let controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  let signal: AbortSignal | null = null;
  const client = new Client(
    '/',
    (_, options) => {
      bodies.push(JSON.parse(options.body as string));
      signal = options.signal ?? null;
      const body = new ReadableStream<Uint8Array>({
        start: made => {
          controller = made;
          signal?.addEventListener('abort', () => {
            made.error(new DOMException('aborted', 'AbortError'));
          });
        }
      });
      return Promise.resolve(new Response(body));
    },
    () => ''
  );
  return {
    client,
    bodies,
    send: (event, data) =>
      doing(() => {
        const text = `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
        controller?.enqueue(new TextEncoder().encode(text));
      }),
    end: () =>
      doing(() => {
        controller?.close();
      }),
    signal: () => signal
  };
}

afterEach(() => {
  vi.restoreAllMocks();
});

function daysOf(page: HTMLElement): HTMLInputElement {
  const field = page.querySelector('input');
  if (!field) throw new Error('no field for days');
  return field;
}

test('days are asked for, followed, and shown with how true that is', async () => {
  const service = streaming();
  const { page } = await draw(<PastPart past={new PastDays(service.client, trans)} text="a: 1" />);
  const days = daysOf(page);
  await doing(() => {
    type(days, '14');
  });
  await doing(() => {
    button(page, 'Over the last 14 days').click();
  });
  expect(service.bodies).toEqual([{ text: 'a: 1', days: 14 }]);
  await service.send('place', { ahead: 2 });
  expect(page.textContent).toContain('In line: 2 others are in front.');
  expect(page.querySelector('progress')?.hasAttribute('value')).toBe(false);
  await service.send('progress', { stage: 'simulating', part: 0.5 });
  expect(page.querySelector('progress')?.getAttribute('value')).toBe('50');
  await service.send('report', preview());
  await service.end();
  expect(page.querySelector('progress')).toBeNull();
  expect(page.querySelector('[data-sublet="past-truth"]')?.textContent).toContain(
    'waits differ by 3.0 % at most from what really happened, and hours by 5.0 %'
  );
  expect(page.querySelector('[data-sublet="past-figures"]')?.textContent).toContain(
    'used4.0 h3.0 h−1.0 h'
  );
  expect(page.querySelector('[data-sublet="past-lose"]')?.textContent).toContain('ada');
});

test('cancelling closes the connection, and what is told later changes nothing', async () => {
  const service = streaming();
  const past = new PastDays(service.client, trans);
  const { page } = await draw(<PastPart past={past} text="a: 1" />);
  await doing(() => {
    button(page, 'Over the last 7 days').click();
  });
  await service.send('progress', { stage: 'reading', part: 0.1 });
  await doing(() => {
    button(page, 'Cancel').click();
  });
  expect(service.signal()?.aborted).toBe(true);
  expect(past.store.value).toBeNull();
  expect(page.querySelector('[role="alert"]')).toBeNull();
});

test('of another text it is given up, and a report that is there stays', async () => {
  const service = streaming();
  const past = new PastDays(service.client, trans);
  void past.ask('a: 1', 7);
  await doing(() => undefined);
  past.follow('a: 1');
  expect(service.signal()?.aborted).toBe(false);
  past.follow('a: 2');
  expect(service.signal()?.aborted).toBe(true);
  void past.ask('a: 2', 7);
  await doing(() => undefined);
  await service.send('report', preview());
  await service.end();
  past.follow('a: 3');
  expect(past.store.value?.report?.people).toBe(12);
});

test('a problem, and a connection that ends before there is a report, are told', async () => {
  const service = streaming();
  const past = new PastDays(service.client, trans);
  const { page } = await draw(<PastPart past={past} text="a: 1" />);
  const ask = (): Promise<void> =>
    doing(() => {
      button(page, 'Over the last 7 days').click();
    });
  await ask();
  await service.send('problem', { message: 'nothing was asked for in these days' });
  await service.end();
  expect(page.querySelector('[role="alert"]')?.textContent).toBe(
    'nothing was asked for in these days'
  );
  await ask();
  await service.send('progress', { stage: 'reading', part: 0 });
  await service.end();
  expect(page.querySelector('[role="alert"]')?.textContent).toBe(
    'The connection to the service ended.'
  );
});

test('days that cannot be are not asked for', async () => {
  const service = streaming();
  const { page } = await draw(<PastPart past={new PastDays(service.client, trans)} text="" />);
  for (const days of ['0', '31', '']) {
    await doing(() => {
      type(daysOf(page), days);
    });
    expect(button(page, 'From 1 to 30 days').disabled).toBe(true);
  }
});

const READER: Session = { ...SESSION, name: 'rita', admin: false };
const LEAD: Session = { ...READER, name: 'bea', sees_all: false, groups: ['vision'] };

test.each([
  ['an admin', SESSION, null, true],
  ['who but reads', READER, null, true],
  ['an admin of a group', LEAD, 'vision', false]
] as const)(
  'below a preview they are offered to %s as the service lets them',
  async (_, session, group, isOffered) => {
    const quota = {
      document: {},
      text: 'groups:\n  vision: {}\n',
      path: null,
      kept_in: 'database' as const,
      revision: 7,
      part: null,
      loaded_at: '2026-12-02T09:00:00Z',
      errors: [],
      warnings: [],
      groups: group === null ? null : [group]
    };
    const service = new FakeService({
      quota: () => json(quota),
      'quota/tree': () => json({ groups: [] }),
      'quota/check': () => json({ problems: [], warnings: [], left_out: 0 }),
      'quota/preview': () => json(A_PREVIEW)
    });
    const { console } = await draw(<></>, service, session);
    const quotas = quotasOf(console, group);
    await quotas.quota.refresh();
    const { page } = await draw(
      <ConsoleProvider value={console}>
        <DocumentPart quotas={quotas} quota={quota} />
      </ConsoleProvider>,
      service,
      session
    );
    await doing(() => {
      void quotas.preview(quota.text);
    });
    await doing(() => undefined);
    expect(page.querySelector('[data-sublet="preview"]')?.textContent).toContain('of these groups');
    expect(page.querySelector('[data-sublet="past"]') !== null).toBe(isOffered);
  }
);

test('how true it is is said also where it cannot be told', () => {
  const words = (worst_wait: number | null, hours: number | null): string =>
    truthWords(preview({ truth: { worst_wait, hours, lines: [] } }), trans);
  expect(words(null, null)).toContain('cannot be told');
  expect(words(null, 0.1)).toContain('hours differ by 10.0 %');
  expect(words(null, 0.1)).toContain('fewer than twenty waits');
  expect(words(0.2, null)).toContain('waits differ by 20.0 %');
});

test('days of which nothing is known, and the first guarantee that breaks, are said', async () => {
  const service = streaming();
  const past = new PastDays(service.client, trans);
  const { page } = await draw(<PastPart past={past} text="" />);
  await doing(() => {
    button(page, 'Over the last 7 days').click();
  });
  await service.send(
    'report',
    preview({
      begins: '2026-11-30T09:00:00Z',
      unmet_after: {
        times: 3,
        first: {
          at: '2026-12-01T09:00:00Z',
          group: 'science',
          owner: 'ada',
          what: 'refused',
          why: 'no-room'
        }
      }
    })
  );
  expect(page.querySelector('[data-sublet="past-days"]')?.textContent).toContain(
    'these are 2.0 of 7 days'
  );
  const unmet = page.querySelector('[data-sublet="past-unmet"]')?.textContent;
  expect(unmet).toContain('guarantees are not met 3 times');
  expect(unmet).toContain('ada, science');
  expect(unmet).toContain('refused: no room');
});

test('lines have what differs, by reason, and nothing of what nobody waited for', () => {
  const refused = { what: 'server', reason: 'no-room', asked: 2, never: 1 };
  const lines = linesOf(group('science', { used_h: 5.5, refusals: [refused] }), trans);
  const of = (what: string): string => {
    const line = lines.find(each => each.what === what);
    return line === undefined ? 'none' : difference(line, trans);
  };
  expect(of('used')).toBe('+1.5 h');
  expect(of('lent')).toBe('');
  expect(of('servers refused: no room')).toBe('+2');
  expect(lines.some(each => each.what.startsWith('cells'))).toBe(false);
});

test('a table for a spreadsheet has no formulas', () => {
  const csv = csvOf(preview({ groups: [group('=1+1'), group('a,"b"')] }), trans);
  expect(csv).toContain("\r\n'=1+1,used,h,4,4\r\n");
  expect(csv).toContain('"a,""b""",used,h,4,4');
  expect(csv.startsWith('group,what,unit,in force,draft\r\nall,held by notebooks,h,10,10')).toBe(
    true
  );
});
