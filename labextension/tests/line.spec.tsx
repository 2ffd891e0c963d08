import { clock } from '@sublet-lab/format/quantities';
import { describe, expect, test } from 'vitest';

import { ApiError } from '../src/api/client';
import { readLineWait, type LineWait } from '../src/api/line';
import { Reader } from '../src/api/reader';
import { readSlice } from '../src/api/share';
import { SeenChanges } from '../src/model/changes';
import { share, slice } from './support/answers';
import { api, freshPanels, page, panel } from './support/freshPanel';
import { doing, openPanel, part } from './support/page';

freshPanels();

function wait(fields: Record<string, unknown> = {}): LineWait {
  return readLineWait(
    new Reader({
      owner: 'ada',
      server: 'big',
      size: 'whole',
      title: 'Whole card',
      place: 3,
      before: 2,
      expected_at: null,
      expected_why: 'when there will be room is not known: too many are before it in line',
      waits_for: ['vision', 'users without a group'],
      message: 'Your notebook is in line, at place 3; <b>2</b> before it ask for the same GPUs.',
      until: new Date(Date.now() + 3_600_000).toISOString(),
      ...fields
    })
  );
}

async function open(...waits: LineWait[]): Promise<HTMLElement> {
  api.answers.share = share({ servers_waiting: waits.length });
  api.answers.line = waits;
  return await openPanel(panel, page);
}

describe('servers that wait in line', () => {
  test('are told with place, time, for whom, and until when', async () => {
    const node = await open(
      wait(),
      wait({ server: '', size: null, title: '', place: 4, waits_for: [] })
    );
    const [big, own] = node.querySelectorAll<HTMLElement>('[data-sublet="in-line"]');
    expect(big?.textContent).toContain('big · Whole card');
    expect(big?.textContent).toContain('place 3');
    expect(big?.textContent).toContain('When there will be room is not known: too many');
    expect(big?.textContent).toContain('In the way are slices of vision, users without a group.');
    expect(big?.textContent).toMatch(/starts by itself when its turn comes, or leaves the line at/);
    expect(big?.querySelector('details')?.textContent).toContain('<b>2</b> before it ask');
    expect(own?.textContent).toContain('default server');
    expect(own?.querySelector('[data-sublet="line-for"]')).toBeNull();
  });

  test('tell a moment by the clock of the browser', async () => {
    const at = new Date(Date.now() + 600_000);
    const words = `${at.toISOString().slice(0, 10)} ${at.toISOString().slice(11, 16)} UTC`;
    const node = await open(
      wait({ expected_at: at.toISOString(), expected_why: `room is expected at ${words}` })
    );
    const told = part(node, 'line-expected').textContent;
    expect(told).not.toContain('UTC');
    expect(told).toMatch(/^Room is expected at .*\d\d:\d\d.*\.$/);
  });

  test('are asked for only where there are any', async () => {
    const node = await open();
    expect(api.asked).not.toContain('line');
    expect(node.querySelector('[data-sublet="line"]')).toBeNull();
    api.answers.share = share({ servers_waiting: 1 });
    api.answers.line = [wait()];
    await doing(() => {
      page.model.refresh();
    });
    expect(part(node, 'in-line').textContent).toContain('place 3');
  });

  test('leave it by a button, and the keyboard stays there', async () => {
    const node = await open(wait());
    api.leaveLine = async (server: string) => {
      api.done.push(`leave ${server}`);
      api.answers.share = share({ servers_waiting: 0 });
      await Promise.resolve();
    };
    const button = part(node, 'line-leave');
    expect(button.getAttribute('aria-label')).toBe('Leave the line: big');
    button.focus();
    await doing(() => {
      button.click();
    });
    expect(api.done).toEqual(['leave big']);
    expect(node.querySelector('[data-sublet="in-line"]')).toBeNull();
    expect(part(node, 'said').textContent).toBe('In line no more: big.');
    expect((document.activeElement as HTMLElement).dataset.sublet).toBe('line-place');
  });

  test('say why they could not leave', async () => {
    const node = await open(wait());
    api.answers.deed = new ApiError(404, 'not-found', "there is no server 'ada/big' in line");
    await doing(() => {
      part(node, 'line-leave').click();
    });
    expect(part(node, 'said').textContent).toBe("there is no server 'ada/big' in line");
  });

  test('are no more where their turn has come, nor as they were when another waits', async () => {
    const node = await open(wait());
    for (const [waiting, shown] of [
      [0, null],
      [1, 'place 1']
    ] as const) {
      api.answers.share = share({ servers_waiting: waiting });
      api.answers.line = [wait({ server: 'other', place: 1 })];
      await doing(() => {
        page.model.refresh();
      });
      const found = node.querySelector('[data-sublet="in-line"]')?.textContent ?? null;
      expect(found === null ? null : /place \d/.exec(found)?.[0]).toBe(shown);
    }
  });
});

describe('a slice that moves to another card', () => {
  const lease = { slice_id: 's1', gpu_id: 'GPU-1', gpu_index: 0, memory_mib: 40960 };

  const there = { ...lease, gpu_id: 'GPU-4', gpu_index: 3 };
  const at = new Date(Date.now() - 40 * 60_000).toISOString();

  function shown(node: HTMLElement): string | null {
    return node.querySelector('[data-sublet="moved"]')?.textContent ?? null;
  }

  async function answer(fields: Record<string, unknown>): Promise<void> {
    api.answers.share = share({ slices: [slice(fields)] });
    await doing(() => {
      page.model.refresh();
    });
  }

  test('says from which to which, and afterwards where it was', async () => {
    api.answers.share = share({ slices: [slice({ lease, moving_to: 3 })] });
    const node = await openPanel(panel, page);
    expect(part(node, 'moving').textContent).toContain('from GPU 0 to GPU 3 of its machine');
    await answer({ lease: there, came_from: 0, came_at: at });
    expect(node.querySelector('[data-sublet="moving"]')).toBeNull();
    expect(shown(node)).toContain('It was on GPU 0 and is on GPU 3 since');
    await answer({ lease: { ...there, slice_id: 's2' } });
    expect(shown(node)).toBeNull();
  });

  test('is told to who opens the panel within the hour, as long as the service tells it', async () => {
    api.answers.share = share({ slices: [slice({ lease: there, came_from: 0, came_at: at })] });
    const node = await openPanel(panel, page);
    expect(shown(node)).toContain(`and is on GPU 3 since ${clock(new Date(at))}, with all`);
    await answer({ lease: there, came_from: null, came_at: null });
    expect(shown(node)).toBeNull();
  });

  test('says that it was moved where the card that it came from is no more', async () => {
    api.answers.share = share({ slices: [slice({ lease: there, came_from: null, came_at: at })] });
    const node = await openPanel(panel, page);
    expect(shown(node)).toContain('It was on another GPU and is on GPU 3 since');
  });

  test('is not told again to who has put it away, on this page or the next, until it moves again', async () => {
    api.answers.share = share({ slices: [slice({ lease: there, came_from: 0, came_at: at })] });
    const node = await openPanel(panel, page);
    const button = part(node, 'moved-away');
    button.focus();
    await doing(() => {
      button.click();
    });
    expect(shown(node)).toBeNull();
    expect(document.activeElement).toBe(part(node, 'moved-place'));
    await answer({ lease: there, came_from: 0, came_at: at });
    expect(shown(node)).toBeNull();
    expect(
      new SeenChanges().moved(readSlice(new Reader({ lease: there, came_from: 0, came_at: at })))
    ).toBeNull();
    const later = new Date().toISOString();
    await answer({ lease, came_from: 3, came_at: later });
    expect(shown(node)).toContain('It was on GPU 3 and is on GPU 0 since');
  });

  test('says nothing where it stays', async () => {
    const node = await openPanel(panel, page);
    expect(node.querySelector('[data-sublet="moving"], [data-sublet="moved"]')).toBeNull();
  });
});

describe('a slice that was called back again and again', () => {
  test('says when it is back at the earliest', async () => {
    const back_at = new Date(Date.now() + 300_000);
    const time = back_at.toISOString().slice(11, 19);
    const rank = {
      code: 'called-back',
      word: 'called back',
      meaning: `Called back. It comes back at ${time} UTC at the earliest.`,
      back_at: back_at.toISOString()
    };
    const other = slice({ lease: { slice_id: 's2', server: 'other' }, rank });
    api.answers.share = share({ slices: [slice({ rank }), other] });
    const node = await openPanel(panel, page);
    const told = part(part(node, 'slice'), 'rank').textContent;
    expect(told).toContain('It comes back at');
    expect(told).not.toContain('UTC');
    expect(part(part(node, 'other-slice'), 'rank').textContent).toMatch(
      /^called back, back at .* at the earliest$/
    );
  });
});

describe('a size without room', () => {
  test.each([
    [true, 'in line', true],
    [false, 'not now', false]
  ])('says whether one can wait in line for it: %s', async (waits, word, told) => {
    const offer = { size: 'whole', allowed: false, why_not: 'No room now.', waits };
    api.answers.share = share({ offers: [offer] });
    const node = await openPanel(panel, page);
    expect(part(node, 'offer').textContent).toContain(word);
    expect(part(node, 'offer').textContent).toContain('No room now.');
    expect(part(node, 'offer').textContent.includes('starts by itself')).toBe(told);
  });
});
