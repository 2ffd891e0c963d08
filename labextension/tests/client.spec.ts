import { ServerConnection } from '@jupyterlab/services';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { SubletClient } from '../src/api/client';

/** What the client asked, each until it is answered or given up. */
let asked: { url: string; givenUp: boolean }[] = [];
let answer: () => Promise<Response>;

function client(): SubletClient {
  const fetch = (input: Request | string | URL): Promise<Response> => {
    const request = input as Request;
    const one = { url: request.url, givenUp: false };
    request.signal.addEventListener('abort', () => {
      one.givenUp = true;
    });
    asked.push(one);
    return answer();
  };
  return new SubletClient(
    ServerConnection.makeSettings({ baseUrl: 'http://localhost:8888/user/ada/', fetch })
  );
}

function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  answer = never;
});

afterEach(() => {
  vi.useRealTimers();
});

describe('a question that hangs', () => {
  test.each<[number, string, (api: SubletClient) => Promise<unknown>]>([
    [10, 'local-share', api => api.localShare()],
    [10, 'kernels', api => api.kernels()],
    [25, 'share', api => api.share()],
    [25, 'jobs', api => api.jobs()],
    [25, 'slices/s1/history', api => api.history('s1')],
    [25, 'jobs/j1/log?offset=0', api => api.log('j1', 0)],
    [60, 'notebooks/inspect?path=a.ipynb', api => api.inspect('a.ipynb')],
    [25, 'queue', api => api.line()],
    [60, 'queue?server=a%20b', api => api.leaveLine('a b')],
    [5, 'notebooks/literals', api => api.readLiterals(['1'])]
  ])('is given up after %i s: %s', async (seconds, path, ask) => {
    let problem: unknown = null;
    ask(client()).catch((error: unknown) => {
      problem = error;
    });
    await vi.advanceTimersByTimeAsync(seconds * 1000 - 1);
    expect([asked.length, problem]).toEqual([1, null]);
    expect(asked[0]?.url).toContain(`/user/ada/sublet/api/${path}`);
    await vi.advanceTimersByTimeAsync(1);
    expect(problem).toMatchObject({
      status: 0,
      reason: 'timeout',
      message: `The notebook server has not answered within ${seconds} s.`
    });
    expect(asked[0]?.givenUp).toBe(true);
  });

  test('also where the answer breaks off', async () => {
    const half = { ok: true, status: 200, text: () => never<string>() } as Response;
    answer = () => Promise.resolve(half);
    let problem: unknown = null;
    client()
      .localShare()
      .catch((error: unknown) => {
        problem = error;
      });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(problem).toMatchObject({ reason: 'timeout' });
  });

  test('one that is answered leaves nothing behind', async () => {
    answer = () => Promise.resolve(new Response('{"owner": "ada"}'));
    await expect(client().share()).resolves.toMatchObject({ owner: 'ada' });
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('what Python reads in texts', () => {
  test.each([
    [{ type: 'int', value: 3, problem: null }],
    [{ type: 'tuple', value: null, problem: 'tuple' }],
    [{ type: 'dict', value: { a: [null, true] }, problem: null }],
    [{ type: null, value: null, problem: 'not-a-literal' }]
  ])('%j is told as it is', async told => {
    answer = () => Promise.resolve(new Response(JSON.stringify([told])));
    await expect(client().readLiterals(['…'])).resolves.toEqual([told]);
  });

  test.each([
    ['a problem of a newer server', { type: 'set', value: null, problem: 'too-odd' }],
    ['the silence of an older one', {}]
  ])('%s is no literal', async (_, told) => {
    answer = () => Promise.resolve(new Response(JSON.stringify([told])));
    await expect(client().readLiterals(['…'])).resolves.toMatchObject([
      { value: null, problem: 'not-a-literal' }
    ]);
  });
});

describe('a list that comes in pages', () => {
  const pageOf = (ids: string[], following: string | null): Promise<Response> =>
    Promise.resolve(
      new Response(JSON.stringify(ids.map(job_id => ({ job_id }))), {
        headers: following === null ? {} : { 'Sublet-Next': following }
      })
    );

  test('is followed to its end', async () => {
    const pages = [pageOf(['c', 'b'], '17-b%2F'), pageOf(['a'], null)];
    answer = () => pages.shift() ?? never();
    expect((await client().jobs()).map(job => job.job_id)).toEqual(['c', 'b', 'a']);
    expect(asked).toHaveLength(2);
    expect(asked[1]?.url).toContain('/sublet/api/jobs?before=17-b%2F');
  });

  test('is not followed once there are two hundred', async () => {
    const ids = Array.from({ length: 100 }, (_, number) => `j${number}`);
    answer = () => pageOf(ids, '1-a');
    expect(await client().jobs()).toHaveLength(200);
    expect(asked).toHaveLength(2);
  });

  test('is not followed for ever', async () => {
    answer = () => pageOf(['a'], '1-a');
    expect(await client().jobs()).toHaveLength(4);
  });
});

describe('a refusal', () => {
  async function refused(problem: object): Promise<unknown> {
    answer = () => Promise.resolve(new Response(JSON.stringify(problem), { status: 409 }));
    return await client()
      .share()
      .catch((error: unknown) => error);
  }

  test('has what it follows from, who is in the way and what helps', async () => {
    const problem = {
      reason: 'no-room',
      message: 'No room.',
      why: { rule: 'room', group: null, lines: [], words: 'Decided by the room.' },
      helps: [{ kind: 'stop-one', words: 'stop another server of yours' }],
      waits_for: ["'b'"]
    };
    expect(await refused(problem)).toMatchObject({
      reason: 'no-room',
      message: 'No room.',
      decision: {
        why: 'Decided by the room.',
        waits_for: ["'b'"],
        helps: ['stop another server of yours']
      }
    });
  });

  test.each([
    [{ reason: 'not-found', message: 'No.' }],
    [{ reason: 'no-room', message: 'No.', why: null, helps: [], waits_for: [] }],
    [{ reason: 'no-room', message: 'No.', why: 'odd', helps: 'odd', waits_for: 7 }]
  ])('has none of these where the service tells none: %j', async problem => {
    expect(await refused(problem)).toMatchObject({ message: 'No.', decision: null });
  });
});
