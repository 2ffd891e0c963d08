/** What a refusal tells beside its sentence: what it follows from, who is in the way, what helps. */
import type { Reader } from './reader';

export interface Decision {
  /** A sentence: the rule, the group, the lines of the quota document. Empty: none of these. */
  why: string;
  waits_for: string[];
  /** Clauses, each of which was found to help. */
  helps: string[];
}

/** Reads them of a `Problem`; `null` where it has none of them. */
export function readDecision(problem: Reader): Decision | null {
  const why = problem.maybe('why', each => each.text('words')) ?? '';
  const waits_for = problem.texts('waits_for');
  const helps = problem.list('helps', each => each.text('words')).filter(Boolean);
  const isEmpty = why === '' && waits_for.length === 0 && helps.length === 0;
  return isEmpty ? null : { why, waits_for, helps };
}
