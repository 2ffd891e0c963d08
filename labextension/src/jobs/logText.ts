/**
 * A log as a terminal would show it, piece by piece: a carriage return begins the line anew.
 *
 * Progress bars write one line again and again. What is overwritten is never shown as a line of
 * its own, also where a piece of the log ends within it.
 */

/** What terminals take as colours and cursor moves. */
// eslint-disable-next-line no-control-regex
const ESCAPES = /\u001b\[[0-9;?]*[ -/]*[@-~]/g;
/** One of them that is cut off by the end of its piece. */
// eslint-disable-next-line no-control-regex
const CUT_ESCAPE = /\u001b(?:\[[0-9;?]*[ -/]*)?$/;

export class LogText {
  /** Nothing more than the last so many characters is kept. */
  constructor(private readonly most: number) {}

  /** The line that is being written. */
  get line(): string {
    return shownOf(this.begun);
  }

  write(piece: string): void {
    const text = this.cut + piece;
    this.cut = CUT_ESCAPE.exec(text)?.[0] ?? '';
    const plain = text.slice(0, text.length - this.cut.length).replace(ESCAPES, '');
    const lines = (this.begun + plain).split('\n');
    this.begun = keptOf(lines.pop() ?? '').slice(-this.most);
    if (lines.length > 0) {
      this.ended.push(`${lines.map(shownOf).join('\n')}\n`);
      this.drop();
    }
  }

  /** The lines that have ended since this was asked last, as one text. */
  takeEnded(): string {
    const text = this.ended.join('').slice(-this.most);
    this.ended = [];
    this.held = 0;
    return text;
  }

  private drop(): void {
    this.held += this.ended.at(-1)?.length ?? 0;
    while (this.ended.length > 1 && this.held - (this.ended[0]?.length ?? 0) >= this.most) {
      this.held -= this.ended.shift()?.length ?? 0;
    }
  }

  /** Of the line being written: what is shown, and a carriage return that nothing follows yet. */
  private begun = '';
  private cut = '';
  private ended: string[] = [];
  private held = 0;
}

/** What is left of a line: what was written after the last return that something follows. */
function shownOf(line: string): string {
  const written = line.replace(/\r+$/, '');
  return written.slice(written.lastIndexOf('\r') + 1);
}

function keptOf(line: string): string {
  return line.endsWith('\r') ? `${shownOf(line)}\r` : shownOf(line);
}
