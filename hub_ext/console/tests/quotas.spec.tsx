import { expect, test } from 'vitest';

import type { QuotaTree } from '../src/api/types';
import { isBehind, isChanged, Quotas } from '../src/views/quotas/model';
import { foundIn } from '../src/views/quotas/nodes';
import { QuotasView } from '../src/views/quotas/QuotasView';
import { doing, draw, FakeService, json } from './support/page';

const TEXT = 'everyone: {limit: {cards: 1}}\n';

function inForce(more: object = {}): object {
  return {
    document: {},
    text: TEXT,
    path: null,
    kept_in: 'database',
    revision: 7,
    part: null,
    loaded_at: '2026-12-02T09:00:00Z',
    errors: [],
    warnings: [],
    ...more
  };
}

function node(path: string[], more: object = {}): object {
  return {
    share: {
      group: path.at(-1),
      path,
      types: [],
      held_cards: 0,
      limit_cards: null,
      held_mib: 0,
      limit_mib: null,
      slices: 0,
      most_slices: null,
      jobs_apart: null,
      may_pay: true,
      left: false
    },
    weight: 1,
    members: [`hub-${path.at(-1) ?? ''}`],
    over: [],
    budget: null,
    line: 3,
    ...more
  };
}

const EXCESS = {
  beyond: 'limit',
  group: null,
  owner: 'ada',
  held: '2 cards',
  most: '1 card'
};

const TREE = {
  at: '2026-12-02T09:00:00Z',
  revision: 7,
  groups: [
    node(['science']),
    node(['science', 'nlp'], { over: [{ ...EXCESS, owner: null, group: 'nlp' }] }),
    node(['teaching'])
  ],
  outside: { ...(node(['x']) as { share: object }).share, group: null, path: [] },
  people: 2,
  over: [EXCESS],
  unmet: [],
  left_out: 0
} as unknown as QuotaTree;

test('a group that is looked for is shown below those it is in', () => {
  const shown = (text: string, over = false): unknown[] =>
    foundIn(TREE, { text, over }).shown.map(each => each.share.group);
  expect(shown('nlp')).toEqual(['science', 'nlp']);
  expect(shown('HUB-teach')).toEqual(['teaching']);
  expect(shown('science', true)).toEqual(['science', 'nlp']);
  expect(shown('nobody')).toEqual([]);
  expect(foundIn(TREE, { text: 'nlp', over: false }).found).toBe(1);
});

test('the tree tells who is over, and leads to the line', async () => {
  const service = new FakeService({
    quota: () => json(inForce()),
    'quota/tree': () => json(TREE)
  });
  const { page } = await draw(<QuotasView />, service);
  await doing(() => undefined);
  await doing(() => undefined);
  expect(page.querySelector('[data-sublet="source"]')?.textContent).toContain('Revision 7');
  expect(page.querySelector('[data-sublet="over"]')?.textContent).toContain(
    'ada 2 cards held, and may have 1 card'
  );
  const nlp = page.querySelector('[data-sublet-group="nlp"]');
  expect(nlp?.getAttribute('data-sublet-over')).toBe('true');
  expect(nlp?.textContent).toContain('in science');
});

test('a document from a file says from which, and that it is read-only here', async () => {
  const service = new FakeService({
    quota: () => json(inForce({ kept_in: 'file', path: '/etc/quota.yaml', revision: null })),
    'quota/tree': () => json(TREE)
  });
  const { page } = await draw(<QuotasView />, service);
  await doing(() => undefined);
  expect(page.querySelector('[data-sublet="source"]')?.textContent).toContain(
    'from the file /etc/quota.yaml, and is read-only here'
  );
  // A service that was started again has read it anew: since when it is in force nothing says here.
  expect(page.querySelector('[data-sublet="source"]')?.textContent).toContain(
    'Read by the service at '
  );
});

test('a draft follows what is in force until something is written, then it is kept', async () => {
  let told = inForce();
  const service = new FakeService({ quota: () => json(told) });
  const { console } = await draw(<></>, service);
  const quotas = new Quotas(console);
  await quotas.quota.refresh();
  expect(quotas.draft.value).toEqual({ base: { revision: 7, part: null, text: TEXT }, text: TEXT });
  told = inForce({ revision: 8, text: `${TEXT}# theirs\n` });
  await quotas.quota.refresh();
  expect(quotas.draft.value.base?.revision).toBe(8);

  quotas.write(`# mine\n${TEXT}# theirs\n`);
  told = inForce({ revision: 9, text: `${TEXT}# others\n` });
  await quotas.quota.refresh();
  expect(quotas.draft.value.text).toBe(`# mine\n${TEXT}# theirs\n`);
  expect(quotas.draft.value.base?.revision).toBe(8);
  const now = quotas.quota.store.value.value;
  expect(now !== null && isBehind(quotas.draft.value, now)).toBe(true);

  if (now !== null) {
    quotas.rebase(now, quotas.draft.value.text);
    expect(isBehind(quotas.draft.value, now)).toBe(false);
    quotas.drop(now);
  }
  expect(isChanged(quotas.draft.value)).toBe(false);
});

test('a preview of a text before is not told of the one that was asked for last', async () => {
  const answers: ((answer: Response) => void)[] = [];
  const service = new FakeService();
  const { console } = await draw(<></>, service);
  const quotas = new Quotas(console);
  Reflect.set(quotas, 'client', {
    post: () => new Promise(done => answers.push(done))
  });
  const first = quotas.preview('first');
  const second = quotas.preview('second');
  answers[1]?.({ at: 'second' } as never);
  answers[0]?.({ at: 'first' } as never);
  await Promise.all([first, second]);
  expect(quotas.previewed.value).toMatchObject({ text: 'second', preview: { at: 'second' } });
  quotas.applied({ revision: 8, part: null, text: 'another' });
  expect(quotas.previewed.value).not.toBeNull();
  // What would follow has followed then.
  quotas.applied({ revision: 9, part: null, text: 'second' });
  expect(quotas.previewed.value).toBeNull();
});
