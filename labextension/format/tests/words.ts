/** Sentences as they are written, and the moment at which the tests look. */
import type { TranslationBundle } from '../src/translation';

function filled(text: string, args: readonly (string | number)[]): string {
  return text.replace(/%(\d+)/g, (whole, place: string) =>
    String(args[Number(place) - 1] ?? whole)
  );
}

export const trans: TranslationBundle = {
  __: (msgid, ...args) => filled(msgid, args),
  _n: (singular, plural, n, ...args) => filled(n === 1 ? singular : plural, [n, ...args])
};

export const NOW = new Date('2026-11-24T12:00:00Z');
