/**
 * Where in a YAML text something stands, also in one that is being written and is no YAML yet.
 *
 * Read from indents, dashes and brackets alone: what a quota document needs of YAML, and no more.
 */

export type Step = string | number;
export type Path = readonly Step[];

/** A key that a text has, or an entry of one of its lists. */
export interface Written {
  readonly path: Path;
  /** From 0. */
  readonly line: number;
  /** What stands behind the key on its line, as it is written. */
  readonly value: string;
}

/** Where the next word would stand. */
export interface Cursor {
  /** The mapping, the list or the key that it would belong to. */
  readonly path: Path;
  /** Whether it would be a key, a value, or, behind a dash, either. */
  readonly as: 'key' | 'value' | 'either';
  /** What of the word is there already, and how many characters before the cursor it begins. */
  readonly begun: string;
}

interface Level {
  readonly indent: number;
  readonly step: Step;
  readonly isEntry: boolean;
}

interface Bracket {
  readonly isList: boolean;
  /** In a list how many entries came before; in a mapping the key whose value is being read. */
  step: Step | null;
}

const KEY =
  /^("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'#{}[\],&*!|>%@`-][^#{}[\],:]*?|-[^\s#{}[\],:][^#{}[\],:]*?)\s*:(?=\s|$)/;
const DASH = /^-(\s+|$)/;

export class Reader {
  readonly written: Written[] = [];
  private levels: Level[] = [];
  private brackets: Bracket[] = [];
  private word = '';

  /** Read on line by line; what is read of the last one ends at the cursor. */
  read(lines: readonly string[]): void {
    lines.forEach((line, number) => {
      this.take(line, number);
    });
  }

  /** Where a word would stand behind all that was read, whose last line is this one. */
  cursor(last: string): Cursor {
    if (this.brackets.length > 0) {
      const path = this.pathHere();
      const open = this.brackets.at(-1);
      const isKey = open?.isList === false && open.step === null;
      return { path, as: isKey ? 'key' : 'value', begun: this.word.trimStart() };
    }
    const { indent, rest, dashes } = unfolded(last);
    const key = KEY.exec(rest);
    if (key !== null) {
      return { path: this.path(), as: 'value', begun: rest.slice(key[0].length).trimStart() };
    }
    if (dashes.length === 0) {
      this.leave(indent);
    }
    return { path: this.path(), as: dashes.length > 0 ? 'either' : 'key', begun: rest };
  }

  private take(line: string, number: number): void {
    if (this.brackets.length > 0) {
      this.takeBrackets(line, number);
      return;
    }
    const text = withoutComment(line);
    if (text.trim() === '') {
      return;
    }
    const { indent, rest, dashes } = unfolded(text);
    for (const dash of dashes) {
      this.enter(dash);
      this.note(number, rest);
    }
    const key = KEY.exec(rest);
    if (key === null) {
      if (dashes.length > 0) {
        this.takeBrackets(rest, number);
      }
      return;
    }
    this.leave(indent);
    const value = rest.slice(key[0].length).trim();
    this.levels.push({ indent, step: plain(key[1] ?? ''), isEntry: false });
    this.note(number, value);
    if (value.startsWith('{') || value.startsWith('[')) {
      this.takeBrackets(rest.slice(key[0].length), number);
    }
  }

  /** Begin another entry of a list whose dashes stand here. */
  private enter(indent: number): void {
    let step = 0;
    while (this.levels.length > 0) {
      const top = this.levels[this.levels.length - 1];
      if (top === undefined || top.indent < indent || (top.indent === indent && !top.isEntry)) {
        break;
      }
      this.levels.pop();
      step = top.indent === indent && typeof top.step === 'number' ? top.step + 1 : 0;
    }
    this.levels.push({ indent, step, isEntry: true });
  }

  private leave(indent: number): void {
    while ((this.levels.at(-1)?.indent ?? -1) >= indent) {
      this.levels.pop();
    }
  }

  private takeBrackets(text: string, number: number): void {
    let quote = '';
    for (const [place, letter] of Array.from(withoutComment(text)).entries()) {
      const open = this.brackets.at(-1);
      if (quote !== '') {
        this.word += letter;
        quote = letter === quote ? '' : quote;
      } else if ((letter === '"' || letter === "'") && this.word.trim() === '') {
        this.word += letter;
        quote = letter;
      } else if (letter === '{' || letter === '[') {
        this.brackets.push({ isList: letter === '[', step: letter === '[' ? 0 : null });
        this.word = '';
      } else if (open === undefined) {
        this.word = '';
      } else if (letter === '}' || letter === ']') {
        this.endWord(number);
        this.brackets.pop();
      } else if (letter === ',') {
        this.endWord(number);
        open.step = open.isList ? Number(open.step) + 1 : null;
      } else if (letter === ':' && !open.isList && open.step === null) {
        const next = text[place + 1];
        if (next === undefined || /\s/.test(next) || /["']\s*$/.test(this.word)) {
          open.step = plain(this.word.trim());
          this.note(number, '');
          this.word = '';
        } else {
          this.word += letter;
        }
      } else {
        this.word += letter;
      }
    }
  }

  private endWord(number: number): void {
    const open = this.brackets.at(-1);
    const word = this.word.trim();
    this.word = '';
    if (open === undefined || word === '') {
      return;
    }
    if (open.isList) {
      this.note(number, word);
    } else if (open.step === null) {
      open.step = plain(word);
      this.note(number, '');
    } else {
      this.note(number, word);
    }
  }

  private note(line: number, value: string): void {
    this.written.push({ path: this.pathHere(), line, value: plain(value) });
  }

  private path(): Path {
    return this.levels.map(each => each.step);
  }

  private pathHere(): Path {
    const steps = this.brackets.map(each => each.step).filter(step => step !== null);
    return [...this.path(), ...steps];
  }
}

/** All that a text says, by its path. */
export function writtenIn(text: string): readonly Written[] {
  const reader = new Reader();
  reader.read(text.split('\n'));
  return reader.written;
}

/** Where a word would stand at a place of a text. */
export function cursorAt(text: string, offset: number): Cursor {
  const reader = new Reader();
  const lines = text.slice(0, offset).split('\n');
  reader.read(lines);
  return reader.cursor(lines.at(-1) ?? '');
}

/** A line without its indent and its dashes: where those stand, and where the rest does. */
function unfolded(line: string): { indent: number; rest: string; dashes: number[] } {
  let indent = line.length - line.trimStart().length;
  let rest = line.slice(indent);
  const dashes: number[] = [];
  for (let dash = DASH.exec(rest); dash !== null; dash = DASH.exec(rest)) {
    dashes.push(indent);
    indent += dash[0].length;
    rest = rest.slice(dash[0].length);
  }
  return { indent, rest, dashes };
}

function withoutComment(line: string): string {
  let quote = '';
  for (let place = 0; place < line.length; place += 1) {
    const letter = line.charAt(place);
    if (quote !== '') {
      quote = letter === quote ? '' : quote;
    } else if (
      (letter === '"' || letter === "'") &&
      /[\s[{,:]/.test(line.charAt(place - 1) || ' ')
    ) {
      quote = letter;
    } else if (letter === '#' && /\s/.test(line.charAt(place - 1) || ' ')) {
      return line.slice(0, place);
    }
  }
  return line;
}

function plain(word: string): string {
  const quoted = /^(["'])(.*)\1$/.exec(word);
  return quoted?.[2] ?? word;
}
