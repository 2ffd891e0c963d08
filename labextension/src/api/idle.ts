/** That a server is idle, and when it is ended for that, or for which job it is not. */
import type { Reader } from './reader';

export interface IdleEnd {
  ends_at: Date | null;
  /** For how long it may be idle. */
  max_idle_s: number;
  /** `null`: its end is not near yet. */
  warned_at: Date | null;
}

export function readIdleEnd(r: Reader): IdleEnd {
  return {
    ends_at: r.maybeTime('ends_at'),
    max_idle_s: r.number('max_idle_s'),
    warned_at: r.maybeTime('warned_at')
  };
}

/** A server that is not ended while a job goes on that was promoted from it. */
export interface IdleSpared {
  job_name: string;
  /** Else it has begun, and waits to go on. */
  runs: boolean;
  /** How many more such jobs there are. */
  others: number;
}

export function readIdleSpared(r: Reader): IdleSpared {
  return {
    job_name: r.text('job_name'),
    runs: r.flag('runs'),
    others: r.number('others')
  };
}
