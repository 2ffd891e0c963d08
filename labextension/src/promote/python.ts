/**
 * Values as they are written in Python: what a parameters cell holds, and what is typed here.
 *
 * Only literals are read. Anything else (a call, a name, a sum) is not a value that can be sent.
 * Of literals, some would arrive as others by way of JSON and this page's numbers: that is told.
 */

export type Value = null | boolean | number | string | Value[] | { [key: string]: Value };

/** What would arrive in Python as something else than what is written. */
export type Loss = 'large-integer' | 'whole-float' | 'infinite' | 'key' | 'tuple';

export interface Literal {
  value: Value;
  /** The first thing in it that would be lost; `null`: it arrives as it is written. */
  loss: Loss | null;
}

export class NotALiteralError extends Error {}

/** Read one literal; `NotALiteralError` where there is something else. */
export function readLiteral(text: string): Literal {
  return new LiteralReader(text).whole();
}

/** Write a value as it would be written in Python. */
export function writeLiteral(value: Value): string {
  if (value === null) {
    return 'None';
  }
  if (typeof value === 'boolean') {
    return value ? 'True' : 'False';
  }
  if (typeof value === 'number' || typeof value === 'string') {
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) {
    return `[${value.map(writeLiteral).join(', ')}]`;
  }
  const items = Object.entries(value).map(
    ([key, each]) => `${JSON.stringify(key)}: ${writeLiteral(each)}`
  );
  return `{${items.join(', ')}}`;
}

const NUMBER = /^[+-]?(?:(?:\d[\d_]*)(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?/;
const WORD = /^[A-Za-z_]\w*/;
const WORDS: ReadonlyMap<string, Value> = new Map([
  ['None', null],
  ['null', null],
  ['True', true],
  ['true', true],
  ['False', false],
  ['false', false]
]);
const PREFIXED = /^([rRuU]?)("""|'''|"|')/;
/** What stands after a backslash, and what it means; Python keeps a backslash before anything else. */
const ESCAPES: readonly [RegExp, (found: string) => string][] = [
  [/^[\\'"]/, found => found],
  [/^\n/, () => ''],
  [/^[abfnrtv]/, found => SIGNS[found] ?? found],
  [/^[0-7]{1,3}/, found => String.fromCodePoint(parseInt(found, 8))],
  [/^x[0-9a-fA-F]{2}/, codePoint],
  [/^u[0-9a-fA-F]{4}/, codePoint],
  [/^U00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4}/, codePoint]
];
const SIGNS: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v'
};

function codePoint(found: string): string {
  return String.fromCodePoint(parseInt(found.slice(1), 16));
}

class LiteralReader {
  constructor(private readonly text: string) {}

  whole(): Literal {
    const value = this.value();
    this.space();
    if (this.at < this.text.length) {
      this.fail();
    }
    return { value, loss: this.loss };
  }

  private value(): Value {
    this.space();
    switch (this.text[this.at]) {
      case '[':
        return this.items('[', ']');
      case '(':
        return this.parenthesis();
      case '{':
        return this.mapping();
      default: {
        const opening = PREFIXED.exec(this.text.slice(this.at));
        return opening === null
          ? this.numberOrWord()
          : this.string(opening[0].length, opening[2] ?? '', /r/i.test(opening[1] ?? ''));
      }
    }
  }

  private items(open: string, close: string): Value[] {
    this.take(open);
    const found: Value[] = [];
    while (!this.ends(close)) {
      found.push(this.value());
      if (!this.ends(close, false)) {
        this.take(',');
      }
    }
    return found;
  }

  /** A value in parentheses is that value; with a comma, or with nothing, it is a tuple. */
  private parenthesis(): Value {
    const began = this.at;
    const items = this.items('(', ')');
    const inner = this.text.slice(began, this.at - 1).trimEnd();
    const [only] = items;
    if (items.length === 1 && only !== undefined && !inner.endsWith(',')) {
      return only;
    }
    this.loses('tuple');
    return items;
  }

  private mapping(): Value {
    this.take('{');
    const found: [string, Value][] = [];
    while (!this.ends('}')) {
      const key = this.key();
      this.take(':');
      found.push([key, this.value()]);
      if (!this.ends('}', false)) {
        this.take(',');
      }
    }
    return Object.fromEntries(found);
  }

  private key(): string {
    const before = this.loss;
    const key = this.value();
    if (typeof key === 'string') {
      return key;
    }
    if (Array.isArray(key) ? this.loss !== 'tuple' : key !== null && typeof key === 'object') {
      return this.fail();
    }
    this.loss = before ?? 'key';
    return writeLiteral(key);
  }

  private string(begins: number, end: string, raw: boolean): string {
    this.at += begins;
    let found = '';
    while (!this.text.startsWith(end, this.at)) {
      const each = this.text[this.at];
      if (each === undefined || (each === '\n' && end.length === 1)) {
        return this.fail();
      }
      found += each === '\\' ? this.escape(raw) : each;
      this.at += each === '\\' ? 0 : 1;
    }
    this.at += end.length;
    return found;
  }

  /** What a backslash and what follows it stand for. */
  private escape(raw: boolean): string {
    const rest = this.text.slice(this.at + 1);
    if (/^(?:$|[NuUx])/.test(rest) && !raw && !ESCAPES.some(([form]) => form.test(rest))) {
      return this.fail();
    }
    if (!raw) {
      for (const [form, meaning] of ESCAPES) {
        const written = form.exec(rest)?.[0];
        if (written !== undefined) {
          this.at += 1 + written.length;
          return meaning(written);
        }
      }
    }
    this.at += 1 + Math.min(1, rest.length);
    return `\\${rest.slice(0, 1)}`;
  }

  private numberOrWord(): Value {
    const rest = this.text.slice(this.at);
    const number = NUMBER.exec(rest)?.[0];
    if (number !== undefined) {
      this.at += number.length;
      return this.number(number.replaceAll('_', ''));
    }
    const word = WORD.exec(rest)?.[0];
    const known = word === undefined ? undefined : WORDS.get(word);
    if (word === undefined || known === undefined) {
      return this.fail();
    }
    this.at += word.length;
    return known;
  }

  private number(written: string): number {
    const value = Number(written);
    if (!Number.isFinite(value)) {
      this.loses('infinite');
    } else if (/[.eE]/.test(written)) {
      // JSON writes it without its point: in Python that is an integer.
      if (Number.isInteger(value) && !JSON.stringify(value).includes('e')) {
        this.loses('whole-float');
      }
    } else if (!Number.isSafeInteger(value)) {
      this.loses('large-integer');
    }
    return value;
  }

  private loses(loss: Loss): void {
    this.loss ??= loss;
  }

  /** Whether `close` is next; takes it then, unless told not to. */
  private ends(close: string, take = true): boolean {
    this.space();
    const next = this.text[this.at] === close;
    if (next && take) {
      this.at += 1;
    }
    return next;
  }

  private take(sign: string): void {
    this.space();
    if (this.text[this.at] !== sign) {
      this.fail();
    }
    this.at += 1;
  }

  private space(): void {
    while (/\s/.test(this.text[this.at] ?? '')) {
      this.at += 1;
    }
  }

  private fail(): never {
    throw new NotALiteralError(`not a value that can be written down: ${this.text}`);
  }

  private at = 0;
  private loss: Loss | null = null;
}
