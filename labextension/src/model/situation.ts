/** How things stand with my slice, as one value: what the status bar and the panel's head show. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { clock, gib, ofGib, secondsBetween, span } from '@sublet-lab/format/quantities';

import type { ShareKept } from '../api/kept';
import type { LocalShare, Move } from '../api/local';
import type { SliceInfo } from '../api/share';
import type { SliceWarning } from '../api/sliceWarnings';
import type { Standing } from '../api/standing';
import type { ShareModel } from './share';
import type { Seen } from './watch';

export interface Progress {
  /** Between 0 and 1; `null` where it is not known. */
  fraction: number | null;
  /** How far, and for how long yet. */
  text: string;
}

export interface Situation {
  /** As agent or service told it; `away` where that is not of now. */
  standing: Standing;
  used_mib: number;
  /** Whether the GPU tells all that is used; else `used_mib` is only the least. */
  told: boolean;
  cap_mib: number;
  nearCap: boolean;
  overCap: boolean;
  /** What is told of its memory cap; `null`: nothing. */
  capWarning: SliceWarning | null;
  /** How it stands with its share of the card's compute; `null`: not told, or not of now. */
  computeKept: ShareKept | null;
  progress: Progress | null;
  /** One quiet line: to whom it is or was lent. */
  quiet: string | null;
  /** When this was seen, where it is not of now. */
  seenAt: Date | null;
  /** Why it is not of now. */
  problem: string | null;
}

const NEAR_CAP = 0.9;
const OF_CAP = ['near-cap', 'over-cap'];
/** So long it is told that a slice was lent while its owner was away. */
const LENT_IS_NEWS_FOR_S = 15 * 60;

/** How things stand; `null` where this server has no slice. */
export function situationOf(
  model: ShareModel,
  trans: TranslationBundle,
  now: Date
): Situation | null {
  const local = model.local;
  const slice = model.slice;
  const quiet = slice === null ? null : lentLine(slice, trans, now);
  const expected = model.expectedReturn;
  if (local !== null && expected !== null) {
    return {
      standing: expected,
      ...amounts(local.value, local.value.cap_mib),
      capWarning: null,
      computeKept: null,
      progress: { fraction: null, text: gib(local.value.host_mib) },
      quiet,
      seenAt: null,
      problem: null
    };
  }
  if (local !== null) {
    return {
      standing: local.fresh ? local.value.standing : away(trans),
      ...amounts(local.value, local.value.cap_mib),
      capWarning: local.fresh ? warningOfCap(local.value.warnings) : null,
      computeKept: local.fresh ? local.value.compute_kept : null,
      progress: local.fresh ? progressOf(local, trans, now) : null,
      quiet,
      seenAt: local.fresh ? null : local.at,
      problem: local.problem
    };
  }
  if (slice === null) {
    return null;
  }
  const { report, standing } = slice;
  const silent = model.share?.value.agents_silent.includes(slice.lease.node) === true;
  const old = model.share?.fresh !== true || silent || standing === null;
  return {
    standing: old ? away(trans) : standing,
    ...amounts(
      report ?? { memory_mib: 0, memory_told: true, host_mib: 0, over_cap: false },
      slice.lease.memory_mib
    ),
    capWarning: old ? null : warningOfCap(slice.warnings),
    computeKept: old ? null : slice.compute_kept,
    progress: null,
    quiet,
    seenAt: old ? slice.seen_at : null,
    problem:
      model.share?.problem ??
      (old ? trans.__("The agent of this machine's GPUs has not reported.") : null)
  };
}

/** Only a page can know this, so it has the words for it. */
function away(trans: TranslationBundle): Standing {
  return {
    code: 'away',
    word: trans.__('not reachable'),
    meaning: trans.__('This is how things stood when they were last seen.')
  };
}

function amounts(
  held: Pick<LocalShare, 'memory_mib' | 'memory_told' | 'host_mib' | 'over_cap'> & {
    move?: LocalShare['move'];
  },
  cap_mib: number
): Pick<Situation, 'used_mib' | 'told' | 'cap_mib' | 'nearCap' | 'overCap'> {
  // While it moves, a byte may be counted on both sides.
  const used_mib =
    held.move == null
      ? held.memory_mib + held.host_mib
      : Math.max(held.memory_mib, held.host_mib, held.move.bytes_mib);
  return {
    used_mib,
    told: held.memory_told,
    cap_mib,
    overCap: held.over_cap,
    nearCap: held.over_cap || (cap_mib > 0 && used_mib >= NEAR_CAP * cap_mib)
  };
}

function warningOfCap(warnings: SliceWarning[]): SliceWarning | null {
  return warnings.find(each => OF_CAP.includes(each.code)) ?? null;
}

function progressOf(seen: Seen<LocalShare>, trans: TranslationBundle, now: Date): Progress | null {
  const local = seen.value;
  const move = local.move;
  if (move !== null) {
    const left_s = Math.max(
      0,
      local.wait?.seconds_left ?? move.expected_s - elapsed(move, seen.at, now)
    );
    const reckoned = move.expected_s > 0 ? Math.min(0.99, 1 - left_s / move.expected_s) : 0;
    const isTold = move.moved_mib !== null && move.bytes_mib > 0;
    const fraction = isTold
      ? Math.min(1, (move.moved_mib ?? 0) / move.bytes_mib)
      : Math.max(0, reckoned);
    const moved = ofGib(trans, fraction * move.bytes_mib, move.bytes_mib);
    const amount = isTold ? moved : trans.__('about %1', moved);
    return {
      fraction,
      text: left_s > 0 ? trans.__('%1, about %2 left', amount, leftFor(trans, left_s)) : amount
    };
  }
  const wait = local.wait;
  if (wait === null) {
    return null;
  }
  const left =
    wait.seconds_left === null ? '' : trans.__('about %1 left', leftFor(trans, wait.seconds_left));
  const place = wait.reason === 'turn' ? trans.__('place %1', wait.place) : '';
  const amount =
    wait.need_mib > 0 ? trans.__('%1 free', ofGib(trans, wait.free_mib, wait.need_mib)) : '';
  return {
    fraction: wait.need_mib > 0 ? Math.min(1, wait.free_mib / wait.need_mib) : null,
    text: [place, amount, left].filter(Boolean).join(', ')
  };
}

/** For how long a move has been under way: this page's clock may be another than the agent's. */
function elapsed(move: Move, seenAt: Date, now: Date): number {
  if (move.elapsed_s !== null) {
    return move.elapsed_s + Math.max(0, secondsBetween(seenAt, now));
  }
  return move.began === null ? 0 : Math.max(0, secondsBetween(move.began, now));
}

function leftFor(trans: TranslationBundle, seconds: number): string {
  return span(trans, Math.max(1, seconds));
}

function lentLine(slice: SliceInfo, trans: TranslationBundle, now: Date): string | null {
  if (slice.lent_to.length > 0) {
    const to = slice.lent_to.join(', ');
    return slice.lent_since === null
      ? trans.__('Lent to %1.', to)
      : trans.__('Lent to %1 since %2.', to, clock(slice.lent_since));
  }
  const last = slice.last_lent;
  if (last?.from_ == null || last.until === null) {
    return null;
  }
  if (secondsBetween(last.until, now) > LENT_IS_NEWS_FOR_S) {
    return null;
  }
  const lasted = span(trans, secondsBetween(last.from_, last.until));
  return trans.__('It was lent to %1 for %2, until %3.', last.to, lasted, clock(last.until));
}
