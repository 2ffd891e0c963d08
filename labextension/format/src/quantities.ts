/** Amounts, times and spans as people read them. */
import type { TranslationBundle } from './translation';

const MIB_PER_GIB = 1024;
const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

/** `10`, `10.5`, `0.3`: GiB with at most one decimal. */
export function gibNumber(mib: number): string {
  const gib = mib / MIB_PER_GIB;
  const rounded = Math.round(gib * 10) / 10;
  return rounded === 0 && mib > 0 ? '0.1' : String(rounded);
}

/** `10 GiB`. */
export function gib(mib: number): string {
  return `${gibNumber(mib)} GiB`;
}

/** `10 of 40 GiB`. */
export function ofGib(trans: TranslationBundle, part_mib: number, whole_mib: number): string {
  return trans.__('%1 of %2 GiB', gibNumber(part_mib), gibNumber(whole_mib));
}

/**
 * `10 GiB`; where the GPU does not tell all that is held, `at least 10 GiB` or `an unknown amount`.
 */
export function heldGib(trans: TranslationBundle, mib: number, told: boolean): string {
  if (told) {
    return gib(mib);
  }
  return mib > 0 ? trans.__('at least %1', gib(mib)) : trans.__('an unknown amount');
}

/** `10 of 40 GiB`; as above where not all is told, `at least 10 GiB of 40 GiB`. */
export function heldOfCap(
  trans: TranslationBundle,
  { used_mib, cap_mib, told }: { used_mib: number; cap_mib: number; told: boolean }
): string {
  return told
    ? ofGib(trans, used_mib, cap_mib)
    : trans.__('%1 of %2', heldGib(trans, used_mib, told), gib(cap_mib));
}

/** `0.5`, `6`: cards, to a thousandth. */
export function cardNumber(cards: number): string {
  return String(Number(cards.toFixed(3)));
}

/** `1 card`, `0.5 cards`. */
export function cards(trans: TranslationBundle, count: number): string {
  const shown = Number(count.toFixed(3));
  return trans._n('%1 card', '%1 cards', shown);
}

/** `512 B`, `3.4 MB`. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const shown = unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1);
  return `${shown} ${units[unit] ?? ''}`;
}

/** `4 s`, `12 min`, `2 h 5 min`, `3 d`. */
export function span(trans: TranslationBundle, seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < MINUTE) {
    return trans.__('%1 s', s);
  }
  const minutes = Math.round(s / MINUTE);
  if (minutes < MINUTE) {
    return trans.__('%1 min', minutes);
  }
  if (s >= 2 * DAY) {
    return trans.__('%1 d', Math.round(s / DAY));
  }
  const hours = Math.floor(minutes / MINUTE);
  const rest = minutes % MINUTE;
  return rest === 0 ? trans.__('%1 h', hours) : trans.__('%1 h %2 min', hours, rest);
}

/** `30 min`, `12 h`, `168 h`: a limit, which is not rounded as an estimate is. */
export function limit(trans: TranslationBundle, seconds: number): string {
  return seconds < HOUR
    ? span(trans, seconds)
    : trans.__('%1 h', Number((seconds / HOUR).toFixed(2)));
}

/** `14:03`, and with seconds where it matters. */
export function clock(at: Date, seconds = false): string {
  return at.toLocaleTimeString([], {
    hour: '2-digit',
    minute: '2-digit',
    ...(seconds ? { second: '2-digit' } : {})
  });
}

/** `14:03` today, with the date on other days. */
export function moment(at: Date, now: Date): string {
  return at.toDateString() === now.toDateString() ? clock(at) : datedMoment(at);
}

/** `Nov 24, 14:03`, with its date also today. */
export function datedMoment(at: Date): string {
  const date = at.toLocaleDateString([], { month: 'short', day: 'numeric' });
  return `${date}, ${clock(at)}`;
}

/** `50 %`, of a whole GPU. */
export function percent(milli: number): string {
  const value = Math.round(milli) / 10;
  return `${Number.isInteger(value) ? value : value.toFixed(1)} %`;
}

/** `<0.01`, `0.4`, `12.3`: hours, or what else counts small and large. */
export function decimal(value: number): string {
  if (value > 0 && value < 0.005) {
    return '<0.01';
  }
  if (value !== 0 && Math.abs(value) < 0.095) {
    return value.toFixed(2);
  }
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

/** A moment as the service's sentences have it, with or without its day. */
const MOMENT_OF_WORDS = /(?:(\d{4}-\d\d-\d\d) )?(\d\d:\d\d(?::\d\d)?) UTC/g;

/** Sentences of the service with their moments by this browser's clock, as all others are shown. */
export function inLocalTime(words: string, now: Date): string {
  return words.replace(MOMENT_OF_WORDS, (told, day: string | undefined, time: string) => {
    const at = day === undefined ? nearest(time, now) : new Date(`${day}T${time}Z`);
    return Number.isNaN(at.getTime()) ? told : moment(at, now);
  });
}

/** The moment with this time of day, in UTC, that is nearest to now. */
function nearest(time: string, now: Date): Date {
  const today = new Date(`${now.toISOString().slice(0, 10)}T${time}Z`).getTime();
  const days = Math.round((now.getTime() - today) / (DAY * 1000));
  return new Date(today + days * DAY * 1000);
}

/** `default server`, or the name that its owner gave it. */
export function serverName(trans: TranslationBundle, name: string): string {
  return name === '' ? trans.__('default server') : name;
}

export function secondsBetween(from: Date, to: Date): number {
  return (to.getTime() - from.getTime()) / 1000;
}

/** A reason from elsewhere as a sentence among others. */
export function sentence(text: string): string {
  const begun = text.charAt(0).toLocaleUpperCase() + text.slice(1);
  return /[.!?…]$/.test(begun) || begun === '' ? begun : `${begun}.`;
}

/** The last part of a path. */
export function fileName(path: string): string {
  return path.split('/').pop() ?? path;
}
