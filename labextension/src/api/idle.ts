/** That a server is idle, and when it is ended for that. */
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
