/** The page's sentences in another language, where there is a catalogue; else as they are written. */
import type { TranslationBundle } from './translation';

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
    return value === undefined ? whole : String(value);
  });
}
