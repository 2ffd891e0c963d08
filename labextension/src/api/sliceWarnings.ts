/** What is not as it should be with a slice, as agent and service tell it: a code with its words. */
import type { Reader } from './reader';

export interface SliceWarning {
  /** A newer agent or service may tell one that is not known here. */
  code: string;
  /** What is so. Its subject is the slice, and it ends without a full stop. */
  clause: string;
  /** What can be done about that, as sentences. */
  advice: string;
}

export function readWarning(r: Reader): SliceWarning {
  return { code: r.text('code', 'unknown'), clause: r.text('clause'), advice: r.text('advice') };
}
