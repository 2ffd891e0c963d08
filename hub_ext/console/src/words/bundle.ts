/** The page's sentences in another language, where there is a catalogue; else as they are written. */
import type { TranslationBundle } from '@sublet-lab/format/translation';

/** By the sentence as it is written; of several forms those for one and for several. */
export type Catalogue = Readonly<Record<string, readonly string[]>>;

export function bundleOf(catalogue: Catalogue = {}): TranslationBundle {
  const find = (msgid: string, form: number): string | undefined => catalogue[msgid]?.[form];
  return {
    __: (msgid, ...args) => filled(find(msgid, 0) ?? msgid, args),
    _n: (singular, plural, n, ...args) => {
      const form = n === 1 ? 0 : 1;
      return filled(find(singular, form) ?? (form === 0 ? singular : plural), [n, ...args]);
    }
  };
}

function filled(text: string, args: readonly (string | number)[]): string {
  return text.replace(/%(\d+)/g, (whole, place: string) => {
    const value = args[Number(place) - 1];
    return value === undefined ? whole : plain(String(value));
  });
}

/** What steers the direction of writing, or nothing that can be seen. */
const STEERING = /(?![\n\t])[\p{Cc}\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]/gu;

/** A name within a sentence, which it may not turn: what would is shown by its number. */
function plain(text: string): string {
  return text.replace(
    STEERING,
    sign => `\\u${(sign.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`
  );
}
