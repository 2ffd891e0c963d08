/** What may be written at a place of a quota document: keys and values, by its own JSON Schema. */
import type { Path, Step, Written } from './place';
import { cursorAt, writtenIn } from './place';

/** What of JSON Schema the published one uses. */
export interface Schema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly examples?: readonly unknown[];
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly deprecated?: boolean;
}

export interface Proposal {
  readonly word: string;
  /** What is put in: a key with its colon. */
  readonly insert: string;
  readonly kind: 'key' | 'value' | 'name';
  readonly about: string;
}

export interface Proposals {
  /** Where the word begins that they take the place of. */
  readonly from: number;
  readonly list: readonly Proposal[];
}

const IN_PLACE_OF_TRUE = new Set(['yes', 'no', 'on', 'off']);

/** What may be written at a place of the text; none where nothing is known of it. */
export function proposalsAt(schema: Schema, text: string, offset: number): Proposals {
  const cursor = cursorAt(text, offset);
  const found = at(schema, cursor.path);
  const written = writtenIn(text);
  const names = namesIn(written);
  const list: Proposal[] = [];
  if (cursor.as !== 'value') {
    list.push(...keys(schema, found, cursor.path, written, names));
  }
  if (cursor.as !== 'key') {
    list.push(...values(schema, found), ...namesFor(cursor.path, names));
  }
  return { from: offset - cursor.begun.length, list: unique(list) };
}

function keys(
  schema: Schema,
  found: readonly Schema[],
  path: Path,
  written: readonly Written[],
  names: Names
): Proposal[] {
  const there = new Set(
    written.filter(each => isBelow(each.path, path)).map(each => String(each.path.at(-1)))
  );
  const told = found.flatMap(each => Object.entries(each.properties ?? {}));
  const known = told
    .filter(([, each]) => each.deprecated !== true)
    .map(([word, each]) => ({
      word,
      insert: `${word}: `,
      kind: 'key' as const,
      about: each.description ?? at(schema, [], each)[0]?.description ?? ''
    }));
  const types = isOfTypes(path)
    ? names.types.map(word => ({ word, insert: `${word}: `, kind: 'name' as const, about: '' }))
    : [];
  return [...known, ...types].filter(each => !there.has(each.word));
}

function values(schema: Schema, found: readonly Schema[]): Proposal[] {
  return found
    .flatMap(each => [each, ...(each.items === undefined ? [] : at(schema, [], each.items))])
    .flatMap(each => [
      ...(each.const === undefined ? [] : [each.const]),
      ...(each.enum ?? []),
      ...(each.type === 'boolean' ? [true, false] : []),
      ...(each.examples ?? [])
    ])
    .filter(each => typeof each !== 'object')
    .map(String)
    .filter(word => word === word.toLowerCase() || !['TRUE', 'FALSE'].includes(word.toUpperCase()))
    .filter(word => !IN_PLACE_OF_TRUE.has(word.toLowerCase()))
    .map(word => ({ word, insert: word, kind: 'value' as const, about: '' }));
}

/** The schemas of what stands at a path: of several alternatives all. */
function at(whole: Schema, path: Path, from: Schema = whole): readonly Schema[] {
  let found = resolved(whole, from);
  for (const step of path) {
    found = found.flatMap(each => below(whole, each, step));
  }
  return found;
}

function below(whole: Schema, schema: Schema, step: Step): readonly Schema[] {
  if (typeof step === 'number') {
    return schema.items === undefined ? [] : resolved(whole, schema.items);
  }
  const exact = schema.properties?.[step];
  if (exact !== undefined) {
    return resolved(whole, exact);
  }
  const matching = Object.entries(schema.patternProperties ?? {}).find(([pattern]) =>
    new RegExp(pattern, 'u').test(step)
  );
  if (matching !== undefined) {
    return resolved(whole, matching[1]);
  }
  const others = schema.additionalProperties;
  return typeof others === 'object' ? resolved(whole, others) : [];
}

function resolved(whole: Schema, schema: Schema, deep = 0): readonly Schema[] {
  if (deep > 8) {
    return [];
  }
  const name = schema.$ref?.replace('#/$defs/', '');
  const named = name === undefined ? undefined : whole.$defs?.[name];
  const others = [
    ...(named === undefined ? [] : [named]),
    ...(schema.anyOf ?? []),
    ...(schema.allOf ?? [])
  ];
  return [schema, ...others.flatMap(each => resolved(whole, each, deep + 1))];
}

/** The names that a document gives, by what bears them. */
export interface Names {
  readonly types: readonly string[];
  readonly groups: readonly string[];
  readonly sizes: readonly string[];
  readonly pools: readonly string[];
}

export function namesIn(written: readonly Written[]): Names {
  const listed = (section: string): string[] =>
    written
      .filter(({ path }) => path[0] === section && path.length === 3 && path[2] === 'name')
      .map(each => each.value)
      .filter(value => value !== '');
  return {
    types: written
      .filter(({ path }) => path[0] === 'gpu_types' && path.length === 2)
      .map(({ path }) => String(path[1])),
    groups: written.filter(({ path }) => isGroup(path)).map(({ path }) => String(path.at(-1))),
    sizes: listed('sizes'),
    pools: listed('pools')
  };
}

function isGroup(path: Path): boolean {
  return (
    path.length > 0 &&
    path.length % 2 === 0 &&
    path.every((step, place) => place % 2 === 1 || step === 'groups')
  );
}

function isOfTypes(path: Path): boolean {
  return ['guaranteed', 'limit'].includes(String(path.at(-1)));
}

function namesFor(path: Path, names: Names): Proposal[] {
  const key = [...path].reverse().find(step => typeof step === 'string');
  const words: Record<string, readonly string[]> = {
    types: names.types,
    sizes: names.sizes,
    pool: names.pools,
    for: names.groups,
    ...(path[0] === 'exceptions' ? { groups: names.groups } : {})
  };
  return (words[String(key)] ?? []).map(word => ({
    word,
    insert: word,
    kind: 'name' as const,
    about: ''
  }));
}

function isBelow(path: Path, above: Path): boolean {
  return path.length === above.length + 1 && above.every((step, place) => step === path[place]);
}

function unique(list: readonly Proposal[]): readonly Proposal[] {
  const first = new Map<string, Proposal>();
  list.forEach(each => {
    if (!first.has(each.word)) {
      first.set(each.word, each);
    }
  });
  return [...first.values()];
}
