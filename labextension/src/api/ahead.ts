/** What will be taken from an owner unless something happens before: sentences of the service. */
import type { Reader } from './reader';

export interface Ahead {
  /** Of the announcement that tells the same. */
  notice_id: string;
  kind: string;
  what: string;
  why: string;
  advice: string;
  /** `null`: at once, or nobody can say. */
  at: Date | null;
  is_near: boolean;
  slice_id: string | null;
  /** `extend`, `keep`; `null`: nothing that is done by a button. */
  deed: string | null;
  /** Why nothing puts it off; empty where something does. */
  why_no_deed: string;
}

export function readAhead(r: Reader): Ahead {
  return {
    notice_id: r.text('notice_id'),
    kind: r.text('kind'),
    what: r.text('what'),
    why: r.text('why'),
    advice: r.text('advice'),
    at: r.maybeTime('at'),
    is_near: r.flag('is_near'),
    slice_id: r.maybeText('slice_id'),
    deed: r.maybeText('deed'),
    why_no_deed: r.text('why_no_deed')
  };
}
