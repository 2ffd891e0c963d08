import { expect, test } from 'vitest';

import { AskError, Client } from '../src/api/client';
import { bundleOf } from '../src/words/bundle';
import { FakeService, json } from './support/page';

test('whatever is asked bears the page’s own _xsrf, and no token', async () => {
  const service = new FakeService();
  await service.client.get('/share');
  await service.client.put('/lending', { lending: false, reason: 'a test' });
  expect(service.asked.map(each => each.headers['X-XSRFToken'])).toEqual([
    'from-the-cookie',
    'from-the-cookie'
  ]);
  expect(service.asked.map(each => Object.keys(each.headers))).toEqual([
    ['X-XSRFToken'],
    ['X-XSRFToken', 'Content-Type']
  ]);
  expect(service.asked[1]).toMatchObject({
    method: 'PUT',
    url: '/services/sublet/api/lending',
    body: { lending: false, reason: 'a test' }
  });
});

test('a question has its query, and a name in a path is only ever a name', async () => {
  const service = new FakeService();
  await service.client.get('/jobs', { owner: 'ada & co' });
  expect(service.asked[0]?.url).toBe('/services/sublet/api/jobs?owner=ada+%26+co');
  await expect(
    service.client.post('/slices/{slice_id}/wake', undefined, { slice_id: '../lending' })
  ).rejects.toThrow('is no slice_id');
  expect(service.asked).toHaveLength(1);
});

test.each([
  ['once it may be', '0', [429, 429, 200], 3, null],
  ['some times at most', '0', [429, 429, 429, 429, 200], 4, 'too many'],
  ['not where that takes long', '60', [429, 200], 1, 'too many']
] as const)('what is read is asked for again %s', async (_, after, statuses, times, refused) => {
  const problem = { reason: 'too-many-requests', message: 'too many', numbers: {} };
  const left = [...statuses];
  const service = new FakeService({
    gpus: () =>
      left.shift() === 200
        ? json({ gpus: [] })
        : new Response(JSON.stringify(problem), {
            status: 429,
            headers: { 'Retry-After': after }
          })
  });
  const asked = service.client.get('/gpus');
  await (refused === null
    ? expect(asked).resolves.toEqual({ gpus: [] })
    : expect(asked).rejects.toThrow(refused));
  expect(service.asked).toHaveLength(times);
});

test('a refusal is told in the service’s words, and what a proxy says by its status', async () => {
  const problem = { reason: 'not-allowed', message: 'this is for admins', numbers: {} };
  const refused = new FakeService({ gpus: () => json(problem, 403) });
  await expect(refused.client.get('/gpus')).rejects.toMatchObject({
    message: 'this is for admins',
    status: 403
  });
  const proxy = new FakeService({
    gpus: () => new Response('<html>', { status: 502, statusText: 'Bad Gateway' })
  });
  await expect(proxy.client.get('/gpus')).rejects.toThrow(
    'The service does not answer; it may be starting: try again soon (502 Bad Gateway).'
  );
  const large = new FakeService({
    gpus: () => new Response('<html>', { status: 413, statusText: 'Payload Too Large' })
  });
  await expect(large.client.get('/gpus')).rejects.toThrow(/^413 Payload Too Large$/);
});

test('that the service is away is told on, and a refusal of its own is not', async () => {
  const answers = [
    () => json({ reason: 'busy', message: 'not now', numbers: {} }, 503),
    () => new Response('<html>', { status: 503 })
  ];
  const service = new FakeService({ share: () => answers.shift()?.() ?? json({}) });
  let away = 0;
  service.client.onAway = () => {
    away += 1;
  };
  await expect(service.client.get('/share')).rejects.toThrow('not now');
  expect(away).toBe(0);
  await expect(service.client.get('/share')).rejects.toThrow('does not answer');
  expect(away).toBe(1);
});

test('whose login is over is told that, and not how tokens are sent', async () => {
  const problem = { reason: 'not-authenticated', message: "send 'Authorization: token ...'" };
  const over = new FakeService({ share: () => json(problem, 401) });
  await expect(over.client.get('/share')).rejects.toThrow('You are not logged in any more.');
});

test('what the page itself says of an answer is in the language of its catalogue', async () => {
  const trans = bundleOf({
    'You are not logged in any more.': ['Sie sind nicht mehr angemeldet.'],
    'The service does not answer.': ['Der Dienst antwortet nicht.'],
    '“%1” is no %2.': ['„%1“ ist kein %2.']
  });
  const asking = (answer: () => Promise<Response>): Client =>
    new Client('/', answer, () => '', trans);
  const over = asking(() => Promise.resolve(json({ message: 'send a token' }, 401)));
  await expect(over.get('/share')).rejects.toThrow('Sie sind nicht mehr angemeldet.');
  const away = asking(() => Promise.reject(new TypeError('failed')));
  await expect(away.get('/share')).rejects.toThrow('Der Dienst antwortet nicht.');
  const named = away.post('/slices/{slice_id}/wake', undefined, { slice_id: '../x' });
  await expect(named).rejects.toThrow('„../x“ ist kein slice_id.');
});

test('a service that is away is told as that', async () => {
  const client = new Client(
    '/',
    () => Promise.reject(new TypeError('failed')),
    () => ''
  );
  const asked = client.get('/share');
  await expect(asked).rejects.toThrow('does not answer');
  await expect(asked).rejects.toBeInstanceOf(AskError);
});

test('what is not another is not sent again, and is the very value of before', async () => {
  const sent: (string | undefined)[] = [];
  let tag = '"a"';
  const client = new Client(
    '/',
    (_, options) => {
      const asked = (options.headers as Record<string, string>)['If-None-Match'];
      sent.push(asked);
      return Promise.resolve(
        asked === tag
          ? new Response(null, { status: 304 })
          : new Response(JSON.stringify({ people: sent.length }), { headers: { ETag: tag } })
      );
    },
    () => ''
  );
  const first = await client.getIfChanged('/quota/tree');
  expect(await client.getIfChanged('/quota/tree')).toBe(first);
  // Of another part nothing was told yet.
  expect(await client.getIfChanged('/quota/tree', { group: 'nlp' })).toEqual({ people: 3 });
  tag = '"b"';
  expect(await client.getIfChanged('/quota/tree')).toEqual({ people: 4 });
  expect(sent).toEqual([undefined, '"a"', undefined, '"a"']);
});
