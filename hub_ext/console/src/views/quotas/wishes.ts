/** The commonest changes of quotas, as edits of the document's text. */
import { namesIn } from './completion';
import { withEntry, withValue, type Value } from './edits';
import { writtenIn, type Path } from './place';

export type Wish =
  | { readonly kind: 'everyone'; readonly what: Path; readonly amount: string }
  | { readonly kind: 'group'; readonly group: string; readonly what: Path; readonly amount: string }
  | {
      readonly kind: 'exception';
      readonly who: readonly string[];
      readonly groups: readonly string[];
      readonly what: Path;
      readonly amount: string;
      /** A day, which is included; empty: without an end. */
      readonly until: string;
      readonly why: string;
    }
  | {
      readonly kind: 'reservation';
      readonly name: string;
      readonly group: string;
      readonly gpu_type: string;
      readonly cards: string;
      readonly at: string;
      readonly zone: string;
      readonly until: string;
    };

export interface Edited {
  readonly text: string;
  /** The line of what was written, from 1. */
  readonly line: number;
}

/** The document has no such group. */
export class NoGroupError extends Error {}

export function withWish(text: string, wish: Wish): Edited {
  switch (wish.kind) {
    case 'everyone':
      return set(text, ['everyone', ...wish.what], amountOf(wish.amount));
    case 'group':
      return set(text, [...pathOfGroup(text, wish.group), ...wish.what], amountOf(wish.amount));
    case 'exception':
      return added(text, 'exceptions', {
        ...(wish.who.length > 0 ? { who: wish.who } : {}),
        ...(wish.groups.length > 0 ? { groups: wish.groups } : {}),
        set: wish.what.reduceRight<Value>(
          (inner, step) => ({ [String(step)]: inner }),
          amountOf(wish.amount)
        ),
        ...(wish.until === '' ? {} : { until: wish.until }),
        why: wish.why
      });
    case 'reservation':
      return added(text, 'reservations', {
        name: wish.name,
        for: wish.group,
        guaranteed: { [wish.gpu_type]: amountOf(wish.cards) },
        at: wish.at,
        zone: wish.zone,
        ...(wish.until === '' ? {} : { until: wish.until })
      });
  }
}

/** Names with spaces, commas or lines between them, each once. */
export function namesOf(text: string): readonly string[] {
  return [...new Set(text.split(/[\s,;]+/).filter(Boolean))];
}

/** The day that is so many days after another, as the document writes days. */
export function dayAfter(now: Date, days: number): string {
  const day = new Date(now.getFullYear(), now.getMonth(), now.getDate() + days);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${String(day.getFullYear())}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}

function amountOf(text: string): Value {
  const said = text.trim();
  return /^\d{1,9}(\.\d{1,6})?$/.test(said) ? Number(said) : said;
}

export function pathOfGroup(text: string, group: string): Path {
  const found = writtenIn(text).find(
    ({ path }) =>
      path.at(-1) === group &&
      path.length % 2 === 0 &&
      path.every((step, place) => place % 2 === 1 || step === 'groups')
  );
  if (found === undefined) {
    throw new NoGroupError(group);
  }
  return found.path;
}

export function groupsIn(text: string): readonly string[] {
  return namesIn(writtenIn(text)).groups;
}

export function typesIn(text: string): readonly string[] {
  return namesIn(writtenIn(text)).types;
}

function set(text: string, path: Path, value: Value): Edited {
  const made = withValue(text, path, value);
  return { text: made, line: lineOfPath(made, path) };
}

function added(text: string, section: string, entry: Value): Edited {
  const made = withEntry(text, section, entry);
  const entries = writtenIn(made).filter(({ path }) => path[0] === section && path.length >= 2);
  return { text: made, line: (entries.at(-1)?.line ?? 0) + 1 };
}

function lineOfPath(text: string, path: Path): number {
  const wanted = path.join('\0');
  return (writtenIn(text).find(each => each.path.join('\0') === wanted)?.line ?? 0) + 1;
}
