/** How a slice stands, as agent and service tell it: the code together with its words. */
import type { Reader } from './reader';

export interface Standing {
  /** Icons and colours go by it; a newer agent or service may tell one that is not known here. */
  code: string;
  /** To be shown beside the icon. */
  word: string;
  /** The word explained, in a sentence. */
  meaning: string;
}

export function readStanding(r: Reader): Standing {
  const code = r.text('code', 'unknown');
  return { code, word: r.text('word', code), meaning: r.text('meaning') };
}
