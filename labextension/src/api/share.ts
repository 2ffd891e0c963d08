/** What the hub service says of the caller's share: `GET share` and `GET slices/{id}/history`. */
import { readAhead, type Ahead } from './ahead';
import { readAnnouncement, type Announcement } from './announcements';
import { readIdleEnd, readIdleSpared, type IdleEnd, type IdleSpared } from './idle';
import { readCapKept, readShareKept, type CapKept, type ShareKept } from './kept';
import { readQuota, type QuotaShare } from './quota';
import { readRank, type Rank } from './rank';
import type { Reader } from './reader';
import { readWarning, type SliceWarning } from './sliceWarnings';
import { readStanding, type Standing } from './standing';

export const SLICE_STATES = ['resident', 'paused', 'suspended'] as const;
export type SliceState = (typeof SLICE_STATES)[number];

export interface Lease {
  slice_id: string;
  owner: string;
  server: string;
  holder: string;
  pool: string;
  node: string;
  gpu_id: string;
  gpu_index: number;
  gpu_type: string;
  gpu_memory_mib: number;
  simulated: boolean;
  memory_mib: number;
  compute_milli: number;
  size: string | null;
}

export interface SliceReport {
  state: SliceState;
  active: boolean;
  memory_mib: number;
  memory_told: boolean;
  host_mib: number;
  utilisation_percent: number | null;
  over_cap: boolean;
  /** Its processes wait for room or for their turn. */
  waits: boolean;
}

export interface LentPeriod {
  from_: Date | null;
  until: Date | null;
  to: string;
}

export interface SliceInfo {
  lease: Lease;
  report: SliceReport | null;
  /** How it stood by that report. */
  standing: Standing | null;
  /** What that report tells that is not as it should be. */
  warnings: SliceWarning[];
  /** How it stands with its share of the card's compute; `null`: its agent does not say. */
  compute_kept: ShareKept | null;
  /** By what its memory cap is kept; `null`: it is not known. */
  cap_kept: CapKept | null;
  seen_at: Date | null;
  kept_until: Date | null;
  lent_to: string[];
  lent_since: Date | null;
  last_lent: LentPeriod | null;
  waits_for: string[];
  /** `null`: nothing of this kind is guaranteed to anybody. */
  rank: Rank | null;
  /** The group that pays for it. */
  group: string | null;
  /** The place among its node's cards of the one that it moves to; `null`: it stays. */
  moving_to: number | null;
  /** The place of the one that it was moved from within the last hour; `null`: of none, or one that is no more. */
  came_from: number | null;
  /** When it was moved to the card that it is on; `null`: not within the last hour. */
  came_at: Date | null;
  /** When its server is ended for being idle; `null`: there is no such end. */
  idle_end: IdleEnd | null;
  idle_spared: IdleSpared | null;
}

export interface Offer {
  size: string;
  title: string;
  pool: string;
  memory_mib: number;
  compute_milli: number;
  allowed: boolean;
  why_not: string | null;
  /** Whether who picks it though it is not to be had now waits in line for it. */
  waits: boolean;
  /** The type of the card that it would lie on. */
  gpu_type: string | null;
  rank: Rank | null;
}

export interface WeekUse {
  since: Date | null;
  gpu_hours: number;
  energy_wh: number | null;
  lent_hours: number;
}

export interface Share {
  owner: string;
  slices: SliceInfo[];
  jobs_waiting: number;
  jobs_running: number;
  /** How many of the caller's servers are in line for a slice. */
  servers_waiting: number;
  lending: boolean;
  agents_silent: string[];
  quota: QuotaShare | null;
  offers: Offer[];
  week: WeekUse | null;
  /** What admins tell the caller, the newest first. */
  announcements: Announcement[];
  /** What will be taken from the caller, the next first. */
  ahead: Ahead[];
}

export interface HistoryPoint {
  at: Date;
  memory_mib: number;
  host_mib: number;
  utilisation_percent: number;
  lent: boolean;
}

export interface SliceHistory {
  slice_id: string;
  step_s: number;
  cap_mib: number;
  points: HistoryPoint[];
}

export function readShare(r: Reader): Share {
  return {
    owner: r.text('owner'),
    slices: r.list('slices', readSlice),
    jobs_waiting: r.number('jobs_waiting'),
    jobs_running: r.number('jobs_running'),
    servers_waiting: r.number('servers_waiting'),
    lending: r.flag('lending', true),
    agents_silent: r.texts('agents_silent'),
    quota: r.maybe('quota', readQuota),
    offers: r.list('offers', readOffer),
    week: r.maybe('week', readWeek),
    announcements: r.list('announcements', readAnnouncement),
    ahead: r.list('ahead', readAhead)
  };
}

export function readSlice(r: Reader): SliceInfo {
  return {
    lease: r.object('lease', readLease),
    report: r.maybe('report', readReport),
    standing: r.maybe('standing', readStanding),
    warnings: r.list('warnings', readWarning),
    compute_kept: r.maybe('compute_kept', readShareKept),
    cap_kept: r.maybe('cap_kept', readCapKept),
    seen_at: r.maybeTime('seen_at'),
    kept_until: r.maybeTime('kept_until'),
    lent_to: r.texts('lent_to'),
    lent_since: r.maybeTime('lent_since'),
    last_lent: r.maybe('last_lent', each => ({
      from_: each.maybeTime('from_'),
      until: each.maybeTime('until'),
      to: each.text('to')
    })),
    waits_for: r.texts('waits_for'),
    rank: r.maybe('rank', readRank),
    group: r.maybeText('group'),
    moving_to: r.maybeNumber('moving_to'),
    came_from: r.maybeNumber('came_from'),
    came_at: r.maybeTime('came_at'),
    idle_end: r.maybe('idle_end', readIdleEnd),
    idle_spared: r.maybe('idle_spared', readIdleSpared)
  };
}

export function readHistory(r: Reader): SliceHistory {
  return {
    slice_id: r.text('slice_id'),
    step_s: r.number('step_s', 10),
    cap_mib: r.number('cap_mib'),
    points: r
      .list('points', each => ({
        at: each.maybeTime('at'),
        memory_mib: each.number('memory_mib'),
        host_mib: each.number('host_mib'),
        utilisation_percent: each.number('utilisation_percent'),
        lent: each.flag('lent')
      }))
      .filter((each): each is HistoryPoint => each.at !== null)
  };
}

function readLease(r: Reader): Lease {
  return {
    slice_id: r.text('slice_id'),
    owner: r.text('owner'),
    server: r.text('server'),
    holder: r.text('holder', 'notebook'),
    pool: r.text('pool'),
    node: r.text('node'),
    gpu_id: r.text('gpu_id'),
    gpu_index: r.number('gpu_index'),
    gpu_type: r.text('gpu_type'),
    gpu_memory_mib: r.number('gpu_memory_mib'),
    simulated: r.flag('simulated'),
    memory_mib: r.number('memory_mib'),
    compute_milli: r.number('compute_milli', 1000),
    size: r.maybeText('size')
  };
}

function readReport(r: Reader): SliceReport {
  return {
    state: r.oneOf('state', SLICE_STATES, 'resident'),
    active: r.flag('active'),
    memory_mib: r.number('memory_mib'),
    memory_told: r.flag('memory_told', true),
    host_mib: r.number('host_mib'),
    utilisation_percent: r.maybeNumber('utilisation_percent'),
    over_cap: r.flag('over_cap'),
    waits: r.maybe('wait', each => each) !== null
  };
}

function readOffer(r: Reader): Offer {
  return {
    size: r.text('size'),
    title: r.text('title') || r.text('size'),
    pool: r.text('pool'),
    memory_mib: r.number('memory_mib'),
    compute_milli: r.number('compute_milli'),
    allowed: r.flag('allowed'),
    why_not: r.maybeText('why_not'),
    waits: r.flag('waits'),
    gpu_type: r.maybeText('gpu_type'),
    rank: r.maybe('rank', readRank)
  };
}

function readWeek(r: Reader): WeekUse {
  return {
    since: r.maybeTime('since'),
    gpu_hours: r.number('gpu_hours'),
    energy_wh: r.maybeNumber('energy_wh'),
    lent_hours: r.number('lent_hours')
  };
}
