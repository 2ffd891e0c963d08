/** Whether a slice is guaranteed or borrowed, as the service tells it: the code with its words. */
import type { Reader } from './reader';

export interface Rank {
  /** Icons go by it; a newer service may tell one that is not known here. */
  code: string;
  /** To be shown beside the icon. */
  word: string;
  /** The word explained, in sentences. */
  meaning: string;
  /** Until when that holds, where something became less and a grace lasts. */
  as_before_until: Date | null;
  /** Before when a slice that was called back again and again does not come back. */
  back_at: Date | null;
}

export function readRank(r: Reader): Rank {
  const code = r.text('code', 'unknown');
  return {
    code,
    word: r.text('word', code),
    meaning: r.text('meaning'),
    as_before_until: r.maybeTime('as_before_until'),
    back_at: r.maybeTime('back_at')
  };
}
