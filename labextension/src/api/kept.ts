/** By what a slice's compute share and memory cap are kept, as agent and service tell it. */
import type { Reader } from './reader';

export interface ShareKept {
  /** A newer agent or service may tell one that is not known here. */
  code: string;
  /** `kept`, `capped`, `not-needed` or `cannot`. */
  holds: string;
  /** To be read after "compute share". */
  words: string;
  /** The same in a sentence. */
  meaning: string;
}

export interface CapKept {
  /** What keeps it, in few words. */
  words: string;
  /** What each of these does. */
  meaning: string;
}

export function readShareKept(r: Reader): ShareKept {
  return {
    code: r.text('code', 'unknown'),
    holds: r.text('holds'),
    words: r.text('words'),
    meaning: r.text('meaning')
  };
}

export function readCapKept(r: Reader): CapKept {
  return { words: r.text('words'), meaning: r.text('meaning') };
}
