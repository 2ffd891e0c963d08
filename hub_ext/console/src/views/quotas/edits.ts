/**
 * Edits of a quota document as text: one place is another, and everything else stays as it was
 * written, comments and spaces too.
 */
import {
  isCollection,
  isMap,
  isNode,
  isScalar,
  isSeq,
  parse,
  parseDocument,
  visit,
  type Document,
  type Node,
  type YAMLMap
} from 'yaml';

import type { Path } from './place';

/** A value of a document: an amount, a list of names, or keys with such. */
export type Value = string | number | readonly Value[] | { readonly [key: string]: Value };

/** The text is no YAML as it is: it has to be mended by hand first. */
export class UnreadableError extends Error {}

/** A text in which the value at a path is this one; what of the path is not there comes to be. */
export function withValue(text: string, path: Path, value: Value): string {
  const document = read(text);
  const made = spliced(text, document, path, value);
  for (let length = 1; length < path.length; length += 1) {
    const above = nodeAt(document, path.slice(0, length));
    if (isScalar(above) && above.value === null) {
      // A key with nothing behind it.
      document.setIn(path.slice(0, length), document.createNode({}));
    }
  }
  document.setIn(path, nodeOf(document, value));
  return checked(made, document);
}

/** A text in which a list of the document has one entry more, as its last. */
export function withEntry(text: string, section: string, entry: Value): string {
  const document = read(text);
  const list = document.get(section, true) as Node | undefined;
  const made = appended(text, document, section, list, entry);
  if (isSeq(list)) {
    list.add(nodeOf(document, entry));
  } else {
    document.setIn([section], nodeOf(document, [entry]));
  }
  return checked(made, document);
}

/** A value as it is written where the whole document is: each text that needs quotes has them. */
function nodeOf(document: Document, value: Value): Node {
  const node = document.createNode(value);
  visit(node, {
    Scalar: (_, scalar) => {
      if (typeof scalar.value === 'string' && !isBare(scalar.value)) {
        scalar.type = 'QUOTE_DOUBLE';
      }
    }
  });
  return node;
}

function read(text: string): Document.Parsed {
  const document = parseDocument(text, { version: '1.2', schema: 'core' });
  const wrong = document.errors[0];
  if (wrong !== undefined) {
    throw new UnreadableError(wrong.message);
  }
  return document;
}

/** What was spliced, if it says what it should; else the document written anew. */
function checked(made: string | null, document: Document): string {
  const meant = JSON.stringify(document.toJS());
  if (made !== null && sameAs(made, meant)) {
    return made;
  }
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

function sameAs(text: string, meant: string): boolean {
  try {
    return JSON.stringify(parse(text, { version: '1.2', schema: 'core' })) === meant;
  } catch {
    return false;
  }
}

function spliced(text: string, document: Document.Parsed, path: Path, value: Value): string | null {
  const there = path.length === 0 ? null : nodeAt(document, path);
  if (isScalar(there) && there.value !== null && there.range != null) {
    return text.slice(0, there.range[0]) + written(value) + text.slice(there.range[1]);
  }
  for (let length = path.length - 1; length >= 0; length -= 1) {
    const above = length === 0 ? document.contents : nodeAt(document, path.slice(0, length));
    if (isMap(above)) {
      const [key, ...below] = path.slice(length);
      return key === undefined ? null : inMap(text, above, key, nested(below, value));
    }
    if (above != null && !(isScalar(above) && above.value === null)) {
      return null;
    }
  }
  const [key, ...below] = path;
  return key === undefined
    ? null
    : atTheEnd(text, `${word(key)}: ${written(nested(below, value))}`);
}

function inMap(text: string, map: YAMLMap, key: string | number, value: Value): string | null {
  const said = `${word(key)}: ${written(value)}`;
  const empty = map.items.find(pair => isScalar(pair.key) && pair.key.value === key);
  if (empty !== undefined) {
    // `limit:` with nothing behind it.
    const end = isNode(empty.key) ? empty.key.range?.[1] : undefined;
    const colon = end === undefined ? -1 : text.indexOf(':', end);
    return colon < 0
      ? null
      : `${text.slice(0, colon + 1)} ${written(value)}${text.slice(colon + 1)}`;
  }
  return inserted(text, map, said, indent => `${indent}${said}`);
}

function appended(
  text: string,
  document: Document.Parsed,
  section: string,
  list: Node | undefined,
  entry: Value
): string | null {
  if (isSeq(list)) {
    const said = written(entry);
    return inserted(text, list, said, indent => `${indent}- ${said}`);
  }
  if (document.has(section)) {
    return null;
  }
  return atTheEnd(text, `${section}:\n  - ${written(entry)}`);
}

/** A text with one thing more at the end of a mapping or a list, written as the others there are. */
function inserted(
  text: string,
  collection: Node,
  said: string,
  line: (indent: string) => string
): string | null {
  if (!isCollection(collection) || collection.range == null) {
    return null;
  }
  const [begin, end] = collection.range;
  if (collection.flow === true) {
    const close = end - 1;
    const before = text.slice(0, close).trimEnd();
    const comma = collection.items.length === 0 || before.endsWith(',') ? '' : ',';
    const gap = collection.items.length === 0 ? '' : ' ';
    return `${before}${comma}${gap}${said}${text.slice(close)}`;
  }
  const indent = ' '.repeat(begin - (text.lastIndexOf('\n', begin - 1) + 1));
  const last = text.slice(0, end).trimEnd().length;
  const lineEnd = text.indexOf('\n', last);
  const place = lineEnd < 0 ? text.length : lineEnd;
  return `${text.slice(0, place)}\n${line(indent)}${lineEnd < 0 ? '\n' : ''}${text.slice(place)}`;
}

function atTheEnd(text: string, said: string): string {
  const before = text === '' || text.endsWith('\n') ? text : `${text}\n`;
  return `${before}${said}\n`;
}

function nodeAt(document: Document.Parsed, path: Path): Node | null {
  const found = document.getIn(path, true);
  return isNode(found) ? found : null;
}

function nested(path: Path, value: Value): Value {
  return path.reduceRight<Value>((inner, step) => ({ [String(step)]: inner }), value);
}

/**
 * A value in one line, as every reader of YAML reads it: the service's, which takes `nULL` for
 * nothing and ends a bare text in brackets at `?`, and those of YAML 1.1 and 1.2.
 */
function written(value: Value): string {
  if (typeof value === 'number') {
    return String(value);
  }
  if (typeof value === 'string') {
    return isBare(value) ? value : quoted(value);
  }
  if (isList(value)) {
    return `[${value.map(written).join(', ')}]`;
  }
  const said = Object.entries(value).map(([key, inner]) => `${word(key)}: ${written(inner)}`);
  return `{${said.join(', ')}}`;
}

function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

const BARE = /^[\p{L}\p{N}](?:[\p{L}\p{N}_./+%-]|[ :](?=[\p{L}\p{N}]))*$/u;
const TAKEN_FOR_MORE =
  /^(?:null|true|false|y|n|yes|no|on|off|[0-9][0-9a-f_.:]*(?:e[-+]?[0-9]*)?|0[xob][0-9a-f_]*)$/i;

/** Whether a text may stand without quotes. */
function isBare(text: string): boolean {
  return BARE.test(text) && !TAKEN_FOR_MORE.test(text);
}

/** In double quotes, with what some take for the end of a line written by its number. */
function quoted(text: string): string {
  const said = JSON.stringify(text);
  return said.replace(
    /[\u007f-\u00a0\u2028\u2029\ufeff\ufffe\uffff]/g,
    letter => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`
  );
}

function word(key: string | number): string {
  return written(String(key));
}
