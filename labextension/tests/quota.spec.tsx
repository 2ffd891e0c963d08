import { moment } from '@sublet-lab/format/quantities';
import { describe, expect, test } from 'vitest';

import { groupShare, rank, share, slice } from './support/answers';
import { api, freshPanels, page, panel } from './support/freshPanel';
import { doing, openPanel, part } from './support/page';

freshPanels();

async function open(): Promise<HTMLElement> {
  return await openPanel(panel, page);
}

describe('the panel', () => {
  test('quotas of me and my group by type of GPU, and no bar where there is no limit', async () => {
    api.answers.share = share({
      quota: {
        own: groupShare(null, {
          held_mib: 10240,
          types: [{ gpu_type: 'H100', held: 0.125, entitled: 0, guaranteed: 0, limit: null }]
        }),
        groups: [
          groupShare('vision', {
            path: ['science', 'vision'],
            held_mib: 1024,
            limit_mib: 4096,
            held_cards: 1.5,
            limit_cards: 3,
            types: [
              { gpu_type: 'H100', held: 1.5, entitled: 1, borrowed: 0.5, guaranteed: 1, limit: 2 }
            ]
          })
        ]
      }
    });
    const node = await open();
    const accounts = [...node.querySelectorAll('[data-sublet="account"]')];
    expect(accounts.map(each => each.textContent)).toEqual([
      'You10 GiBH1000.125 cards held',
      'Group vision1 GiB of at most 4 GiB · 1.5 of at most 3 cards' +
        'H1001.5 of at most 2 cards, 1 guaranteed, 0.5 borrowed'
    ]);
    const told = accounts.map(account =>
      [...account.querySelectorAll('[role="meter"]')].map(each =>
        each.getAttribute('aria-valuetext')
      )
    );
    expect(told).toEqual([
      [],
      ['1 GiB of at most 4 GiB', '1.5 of at most 2 cards, 1 guaranteed, 0.5 borrowed']
    ]);
    expect(accounts[1]?.querySelector('[title]')?.getAttribute('title')).toBe('science / vision');
  });

  test('what jobs have where their limit is apart, beside what slices have', async () => {
    const jobs_apart = {
      types: [
        { gpu_type: 'H100', held: 1, limit: 8 },
        { gpu_type: 'L4', held: 2, limit: null }
      ],
      held_cards: 3,
      limit_cards: 10,
      held_mib: 128 * 1024,
      limit_mib: 200 * 1024,
      running: 3,
      most_running: 6
    };
    const none = { types: [], held_cards: 0, held_mib: 0, running: 0 };
    api.answers.share = share({
      quota: {
        own: groupShare(null, { jobs_apart: none }),
        groups: [groupShare('vision', { jobs_apart })]
      }
    });
    const node = await open();
    const apart = [...node.querySelectorAll('[data-sublet="jobs-apart"]')];
    expect(apart.map(each => each.textContent)).toEqual([
      'Jobs, apart3 of at most 10 cards · 128 GiB of at most 200 GiB · 3 of at most 6 slices' +
        'H1001 of at most 8 cardsL42 cards held'
    ]);
    const bars = [...(apart[0]?.querySelectorAll('[role="meter"]') ?? [])];
    expect(bars.map(each => each.getAttribute('aria-label'))).toEqual([
      'H100 of jobs of Group vision'
    ]);
  });

  test('bars of less than a card to their own scale', async () => {
    const own = groupShare(null, {
      held_cards: 0.25,
      types: [
        { gpu_type: 'H100', held: 0.25, entitled: 0.25, borrowed: 0, guaranteed: 0, limit: 0.5 }
      ]
    });
    api.answers.share = share({ quota: { own, groups: [] } });
    const node = await open();
    const bar = node.querySelector<HTMLElement>('[data-sublet="type-share"] .sublet-on-gpu');
    expect(bar?.style.width).toBe('50.00%');
  });

  test('budgets as bars with a mark where they warn, what is left, and when hours are back', async () => {
    const renews_at = new Date(Date.now() + 40 * 86_400_000).toISOString();
    const budget = {
      group: 'lab',
      owner: null,
      hours: 100,
      charged: 42,
      credited: 2,
      left: 60,
      warn: 80,
      is_over: false,
      at_end: 'soft-landing',
      renews_at: null,
      source: 'groups.lab.budget.hours'
    };
    const budgets = [
      budget,
      { ...budget, owner: 'ada', hours: 10, charged: 9, credited: 0, left: 1, warn: 8, renews_at },
      { ...budget, group: 'arts', charged: 103, left: 0, is_over: true, at_end: 'no-new' }
    ];
    api.answers.share = share({ quota: { budgets } });
    const node = await open();
    const [together, own, over] = [...node.querySelectorAll('[data-sublet="budget"]')];
    expect(together?.textContent).toBe(
      'Budget of lab40.0 of 100 h spent, 60.0 h left, 2.0 h credited'
    );
    expect(together?.querySelector<HTMLElement>('.sublet-bar-mark')?.style.left).toBe('80.00%');
    expect(together?.querySelector('.sublet-warn')).toBeNull();
    expect(own?.textContent).toMatch(
      /^Your budget in lab9\.0 of 10\.0 h spent, 1\.0 h leftends soonA new period begins at .+\.$/
    );
    expect(over?.textContent).toContain(
      'spentNothing new is let in; what runs counts as borrowed and is not ended.'
    );
    expect(over?.querySelector('[role="meter"]')?.className).toContain('sublet-warn');
  });

  test('a guarantee is drawn where there is no limit, and what is borrowed has a look of its own', async () => {
    const types = [
      { gpu_type: 'L4', held: 3, entitled: 2, borrowed: 1, guaranteed: 2, limit: null }
    ];
    api.answers.share = share({ quota: { groups: [groupShare('vision', { types })] } });
    const node = await open();
    const parts = [...part(node, 'type-share').querySelectorAll('.sublet-bar-part')];
    expect(parts.map(each => each.className)).toEqual([
      'sublet-bar-part sublet-on-gpu',
      'sublet-bar-part sublet-borrowed'
    ]);
  });

  test('what I borrow and what jobs have is told apart, and that I left a group that pays', async () => {
    const types = [
      { gpu_type: 'L4', held: 2.25, jobs: 2, entitled: 0, borrowed: 0.25, guaranteed: 0 }
    ];
    const course = groupShare('course', { types, may_pay: false, left: true });
    api.answers.share = share({ quota: { own: groupShare(null, { types }), groups: [course] } });
    const node = await open();
    const accounts = [...node.querySelectorAll('[data-sublet="account"]')];
    expect(accounts.map(each => each.textContent)).toEqual([
      'You0 GiBL42.25 cards held, 0.25 borrowed, 2 by jobs',
      'Group course (no longer yours)0 GiBL42.25 cards held, 0.25 borrowed, 2 by jobs'
    ]);
  });

  test('where a right comes from is told with the line of the document', async () => {
    const right = (value: string, source: string, line: number | null, group: string | null) => ({
      right: 'limit of H100',
      value,
      source,
      line,
      group
    });
    api.answers.share = share({
      quota: {
        groups: [groupShare('vision')],
        rights: [
          right('8 cards', 'groups.vision.limit.H100', 12, 'vision'),
          right('1 card', 'when nobody says', null, null)
        ]
      }
    });
    const node = await open();
    const accounts = [...node.querySelectorAll('[data-sublet="account"]')];
    const told = accounts.map(each => each.querySelector('[data-sublet="right"]')?.textContent);
    expect(told).toEqual([
      'limit of H100: 1 cardwhen nobody says',
      'limit of H100: 8 cardsgroups.vision.limit.H100, line 12'
    ]);
    expect(part(node, 'sources').querySelector('summary')).not.toBeNull();
  });

  test('a slice says whether it is guaranteed or borrowed, what that means, and who pays', async () => {
    api.answers.share = share({
      slices: [
        slice({ rank: rank('called-back', 'called back'), group: 'vision' }),
        slice({
          lease: { slice_id: 's2', holder: 'notebook', server: 'other', memory_mib: 1024 },
          rank: rank('borrowed')
        })
      ]
    });
    const node = await open();
    const own = part(node, 'slice').querySelector('[data-sublet="rank"]');
    expect(own?.textContent).toBe('What called back means.');
    expect(own?.querySelector('svg')).not.toBeNull();
    expect(part(node, 'paid-by').textContent).toBe('vision');
    const other = part(node, 'other-slice').querySelector('[data-sublet="rank"]');
    expect([other?.textContent, other?.getAttribute('title')]).toEqual([
      'borrowed',
      'What borrowed means.'
    ]);
  });

  test('until when a slice is guaranteed as before is told', async () => {
    // On another day, whenever this runs: its day is told with it.
    const until = new Date(Date.now() + 40 * 86_400_000);
    const told = moment(until, new Date());
    const graced = { ...rank('entitled', 'guaranteed'), as_before_until: until.toISOString() };
    const lease = { slice_id: 's2', holder: 'notebook', server: 'other', memory_mib: 1024 };
    api.answers.share = share({
      slices: [slice({ rank: graced }), slice({ lease, rank: graced })]
    });
    const node = await open();
    const own = part(node, 'slice').querySelector('[data-sublet="rank"]')?.textContent;
    const before = `What guaranteed means. As before until ${told}, as less is guaranteed`;
    expect(own?.slice(0, before.length)).toBe(before);
    const other = part(node, 'other-slice').querySelector('[data-sublet="rank"]')?.textContent;
    expect(other).toBe(`guaranteed until ${told} (as before)`);
  });

  test('a rank that is not known has its words and an icon, and without any none is shown', async () => {
    api.answers.share = share({ slices: [slice({ rank: rank('adrift', 'far away') })] });
    const node = await open();
    expect(part(node, 'rank').textContent).toBe('What far away means.');
    expect(part(node, 'rank').querySelector('svg')).not.toBeNull();
    api.answers.share = share();
    await doing(() => {
      page.model.refresh();
    });
    expect(node.querySelector('[data-sublet="rank"], [data-sublet="paid-by"]')).toBeNull();
  });

  test('what I could have now says on which type of GPU, and whether it would make way', async () => {
    api.answers.share = share({
      offers: [
        { size: 's', memory_mib: 1024, compute_milli: 250, allowed: true, gpu_type: 'L4' },
        { size: 'm', memory_mib: 2048, compute_milli: 500, allowed: true, rank: rank('borrowed') },
        { size: 'l', allowed: false, why_not: 'no', rank: rank('entitled') }
      ]
    });
    const node = await open();
    const offers = [...node.querySelectorAll('[data-sublet="offer"]')];
    expect(offers[0]?.textContent).toContain('1 GiB · 25 % · L4');
    expect(offers[1]?.textContent).toContain('What borrowed means.');
    expect(offers[2]?.textContent).not.toContain('entitled');
  });
});
