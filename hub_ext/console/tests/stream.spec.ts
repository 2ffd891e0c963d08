import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { Client } from '../src/api/client';
import { Changes } from '../src/api/stream';

let hidden = false;

beforeEach(() => {
  hidden = false;
  Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function look(hide: boolean): void {
  hidden = hide;
  document.dispatchEvent(new Event('visibilitychange'));
}

interface Stream {
  url: string;
  send: (text: string) => Promise<void>;
  end: () => Promise<void>;
  signal: AbortSignal;
}

/** A service whose streams a test sends into. */
function streaming(): { client: Client; streams: Stream[] } {
  const streams: Stream[] = [];
  const client = new Client(
    '/',
    (url, options) => {
      let controller!: ReadableStreamDefaultController<Uint8Array>;
      const body = new ReadableStream<Uint8Array>({
        start: made => {
          controller = made;
          options.signal?.addEventListener('abort', () => {
            made.error(new DOMException('aborted', 'AbortError'));
          });
        }
      });
      const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(1);
      streams.push({
        url,
        send: async text => {
          controller.enqueue(new TextEncoder().encode(text));
          await settle();
        },
        end: async () => {
          controller.close();
          await settle();
        },
        signal: options.signal ?? new AbortController().signal
      });
      return Promise.resolve(new Response(body));
    },
    () => ''
  );
  return { client, streams };
}

function following(
  client: Client,
  showsCards = (): boolean => true
): { changes: Changes; told: unknown[] } {
  const told: unknown[] = [];
  const changes = new Changes(
    client,
    {
      cards: changed => told.push(['cards', changed]),
      topics: changed => told.push(['topics', changed]),
      opened: () => told.push('opened'),
      lost: error => told.push(['lost', error])
    },
    showsCards
  );
  return { changes, told };
}

test('events are told whole, wherever the network has cut them', async () => {
  const { client, streams } = streaming();
  const { changes, told } = following(client);
  changes.start();
  await vi.advanceTimersByTimeAsync(1);
  await streams[0]?.send('event: changed\ndata: {"topics"');
  await streams[0]?.send(':["share"]}\n\nevent: cards\ndata: {"cards":[],"gone":[]}\n');
  expect(told).toEqual(['opened', ['topics', { topics: ['share'] }]]);
  await streams[0]?.send('\n');
  expect(told.at(-1)).toEqual(['cards', { cards: [], gone: [] }]);
  changes.stop();
});

test('a hidden page follows nothing, and one in sight does at once', async () => {
  const { client, streams } = streaming();
  const { changes, told } = following(client);
  hidden = true;
  changes.start();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(streams).toHaveLength(0);
  look(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(streams).toHaveLength(1);
  look(true);
  expect(streams[0]?.signal.aborted).toBe(true);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(streams).toHaveLength(1);
  // It was closed on purpose.
  expect(told).toEqual(['opened']);
  changes.stop();
});

test('a stream that ends is asked for again', async () => {
  const { client, streams } = streaming();
  const { changes, told } = following(client);
  changes.start();
  await vi.advanceTimersByTimeAsync(1);
  await streams[0]?.end();
  expect(told.at(-1)).toEqual(['lost', null]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(streams).toHaveLength(2);
  changes.stop();
});

test('a connection that the network has lost is told as that, and asked for anew', async () => {
  const { client, streams } = streaming();
  const { changes, told } = following(client);
  changes.start();
  await vi.advanceTimersByTimeAsync(20_000);
  await streams[0]?.send(':\n\n');
  await vi.advanceTimersByTimeAsync(25_000);
  expect(told).toEqual(['opened']);
  expect(streams).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(told.at(-1)).toMatchObject(['lost', { name: 'AbortError' }]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(streams).toHaveLength(2);
  changes.stop();
});

test('while a service fails it is asked at longer and longer intervals', async () => {
  const began = Date.now();
  const asked: number[] = [];
  const client = new Client(
    '/',
    () => {
      asked.push(Math.round((Date.now() - began) / 1000));
      return Promise.resolve(new Response('{"message":"no"}', { status: 503 }));
    },
    () => ''
  );
  const { changes } = following(client);
  changes.start();
  await vi.advanceTimersByTimeAsync(125_000);
  expect(asked).toEqual([0, 1, 3, 7, 15, 31, 61, 91, 121]);
  changes.stop();
});

test('who may no longer look asks seldom', async () => {
  let asked = 0;
  const client = new Client(
    '/',
    () => {
      asked += 1;
      return Promise.resolve(new Response('{"message":"no"}', { status: 403 }));
    },
    () => ''
  );
  const { changes, told } = following(client);
  changes.start();
  await vi.advanceTimersByTimeAsync(29_000);
  expect(asked).toBe(1);
  expect(told).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(2000);
  expect(asked).toBe(2);
  changes.stop();
});

test('cards are asked for once the page shows some, and not again while they are told', async () => {
  const { client, streams } = streaming();
  let shows = false;
  const { changes } = following(client, () => shows);
  changes.cardsAreShown();
  expect(streams).toHaveLength(0);
  changes.start();
  await vi.advanceTimersByTimeAsync(1);
  changes.cardsAreShown();
  expect(streams.map(each => each.url)).toEqual(['/api/changes?cards=0']);
  shows = true;
  changes.cardsAreShown();
  await vi.advanceTimersByTimeAsync(1);
  changes.cardsAreShown();
  expect(streams.map(each => each.url)).toEqual(['/api/changes?cards=0', '/api/changes']);
  expect(streams.map(each => each.signal.aborted)).toEqual([true, false]);
  changes.stop();
  changes.cardsAreShown();
  expect(streams).toHaveLength(2);
});

test('a stream that is doubted is followed anew, and that it was lost is told', async () => {
  const { client, streams } = streaming();
  const { changes, told } = following(client);
  changes.doubt();
  changes.start();
  await vi.advanceTimersByTimeAsync(1);
  expect(told).toEqual(['opened']);
  changes.doubt();
  await vi.advanceTimersByTimeAsync(1);
  expect(streams[0]?.signal.aborted).toBe(true);
  expect(told).toHaveLength(2);
  expect(told[1]).toMatchObject(['lost', {}]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(streams).toHaveLength(2);
  expect(told.at(-1)).toBe('opened');
  changes.stop();
});
