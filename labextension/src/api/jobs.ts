/** Training jobs, as the hub service tells and takes them. */
import { readDecision, type Decision } from './decision';
import type { Reader } from './reader';
import { readSlice, type SliceInfo } from './share';

export const JOB_STATES = ['waiting', 'placed', 'running', 'done', 'failed', 'cancelled'] as const;
export type JobState = (typeof JOB_STATES)[number];

export interface JobFailure {
  cell: number | null;
  name: string;
  message: string;
  traceback: string;
}

export interface Job {
  job_id: string;
  owner: string;
  name: string;
  notebook: string;
  state: JobState;
  reason: string;
  place: number | null;
  memory_mib: number;
  gpus: number;
  /** After so long an attempt is stopped, pauses not counted; `null`: no limit. */
  max_run_s: number | null;
  /** For how long this attempt has stood still by now. */
  stood_s: number;
  slice: SliceInfo | null;
  submitted_at: Date | null;
  started_at: Date | null;
  ended_at: Date | null;
  expected_start: Date | null;
  cells_done: number;
  cells_total: number | null;
  current_cell: number | null;
  progress: number | null;
  /** It has begun and stands still: `suspended`, `paused` or `waits`; `null`: it computes. */
  stopped: string | null;
  suspended_for: string | null;
  failure: JobFailure | null;
  attempts: number;
  retries: number;
  /** Of the attempts, those that count against the retries. */
  failed_attempts: number;
  output_path: string | null;
}

/** What is asked for; whatever is left out gets the service's default. */
export interface JobRequest {
  notebook: string;
  name?: string;
  parameters?: Record<string, unknown>;
  memory_mib?: number | 'whole';
  compute_milli?: number;
  max_run_s?: number;
  environment?: Record<string, string>;
  take_along?: string[];
  retries?: number;
  gpus?: number;
  /** The group that pays; left out: whichever fits best. */
  group?: string;
}

export interface Forecast {
  allowed: boolean;
  problem: string | null;
  /** What the problem follows from, and what would help. */
  decision: Decision | null;
  message: string;
  place: number | null;
  expected_wait_s: number | null;
  basis: string;
  /** How long an attempt may run: as asked for, or what holds when nobody says. */
  max_run_s: number | null;
}

export interface JobLog {
  text: string;
  offset: number;
  next_offset: number;
  ended: boolean;
}

export function hasEnded(job: Job): boolean {
  return job.state === 'done' || job.state === 'failed' || job.state === 'cancelled';
}

/** Those that run, then those that wait, the next one first. */
export function underWay(jobs: Job[]): Job[] {
  const rank = (job: Job): number =>
    job.state === 'waiting' ? (job.place ?? Number.MAX_SAFE_INTEGER) : 0;
  return jobs.filter(job => !hasEnded(job)).sort((one, other) => rank(one) - rank(other));
}

export function readJob(r: Reader): Job {
  return {
    job_id: r.text('job_id'),
    owner: r.text('owner'),
    name: r.text('name'),
    notebook: r.text('notebook'),
    state: r.oneOf('state', JOB_STATES, 'waiting'),
    reason: r.text('reason'),
    place: r.maybeNumber('place'),
    memory_mib: r.number('memory_mib'),
    gpus: r.number('gpus', 1),
    max_run_s: r.maybeNumber('max_run_s'),
    stood_s: r.maybeNumber('stood_s') ?? 0,
    slice: r.maybe('slice', readSlice),
    submitted_at: r.maybeTime('submitted_at'),
    started_at: r.maybeTime('started_at'),
    ended_at: r.maybeTime('ended_at'),
    expected_start: r.maybeTime('expected_start'),
    cells_done: r.number('cells_done'),
    cells_total: r.maybeNumber('cells_total'),
    current_cell: r.maybeNumber('current_cell'),
    progress: r.maybeNumber('progress'),
    stopped: r.maybeText('stopped'),
    suspended_for: r.maybeText('suspended_for'),
    failure: r.maybe('failure', each => ({
      cell: each.maybeNumber('cell'),
      name: each.text('name'),
      message: each.text('message'),
      traceback: each.text('traceback')
    })),
    attempts: r.number('attempts'),
    retries: r.number('retries'),
    failed_attempts: r.number('failed_attempts'),
    output_path: r.maybeText('output_path')
  };
}

export function readForecast(r: Reader): Forecast {
  return {
    allowed: r.flag('allowed', true),
    problem: r.maybe('problem', each => each.maybeText('message')),
    decision: r.maybe('problem', readDecision),
    message: r.text('message'),
    place: r.maybeNumber('place'),
    expected_wait_s: r.maybeNumber('expected_wait_s'),
    basis: r.text('basis'),
    max_run_s: r.maybeNumber('max_run_s')
  };
}

export function readLog(r: Reader): JobLog {
  return {
    text: r.text('text'),
    offset: r.number('offset'),
    next_offset: r.number('next_offset'),
    ended: r.flag('ended')
  };
}
