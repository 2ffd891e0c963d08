/** A job's log, followed live. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Poll } from '@lumino/polling';
import { Widget } from '@lumino/widgets';

import { ApiError, type SubletApi } from '../api/client';
import type { Job, JobLog } from '../api/jobs';
import { LogText } from './logText';
import { stateWord } from './words';

const EVERY_MS = 1000;
/** A tab holds so much of a log: a browser that shows more becomes slow. */
const MOST_CHARACTERS = 1_000_000;
const NEAR_END_PX = 40;

/** Of a piece as large as this there is more: the service gives no more than 256 KiB at once. */
const LARGE_PIECE_BYTES = 64 * 1024;
/** While a long log is read on, it is drawn so often: each time the page lays out all of it. */
const DRAWN_EVERY_MS = 500;

export class LogView extends Widget {
  constructor(
    private readonly api: SubletApi,
    private readonly job: Job,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.addClass('sublet-log');
    this.node.dataset.sublet = 'log';
    this.state.className = 'sublet-log-state';
    this.state.setAttribute('role', 'status');
    this.lines.className = 'sublet-log-lines';
    this.lines.tabIndex = 0;
    this.lines.setAttribute('role', 'log');
    this.lines.setAttribute('aria-label', trans.__('Log of %1', job.name));
    this.lines.append(this.line);
    this.node.append(this.state, this.lines);
    this.say(trans.__('%1: %2', job.name, stateWord(job, trans)));
    this.poll = new Poll({
      name: `sublet:log:${job.job_id}`,
      auto: false,
      factory: () => this.read(),
      frequency: { backoff: true, interval: EVERY_MS, max: 30_000 },
      standby: () => document.hidden || !this.isVisible
    });
  }

  override dispose(): void {
    this.poll.dispose();
    super.dispose();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    void this.poll.start();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    void this.poll.start();
  }

  private async read(): Promise<void> {
    try {
      // Whoever shows the tab again asks anew: what is being read is not to be read twice.
      this.reading ??= this.readOn().finally(() => {
        this.reading = null;
      });
      const part = await this.reading;
      this.say(
        part.ended
          ? this.trans.__('%1 has ended.', this.job.name)
          : this.trans.__('%1: following.', this.job.name)
      );
      if (part.ended && part.text === '') {
        void this.poll.stop();
      }
    } catch (error) {
      const why = error instanceof ApiError ? error.message : String(error);
      this.say(this.trans.__('Not up to date: %1', why));
      throw error;
    }
  }

  /** Read to the end of what there is now, and draw it; gives the last piece. */
  private async readOn(): Promise<JobLog> {
    try {
      let drawn = Date.now();
      for (;;) {
        const part = await this.api.log(this.job.job_id, this.offset);
        this.text.write(part.text);
        const isLast = part.next_offset - this.offset < LARGE_PIECE_BYTES;
        this.offset = part.next_offset;
        if (isLast || this.isDisposed || document.hidden || !this.isVisible) {
          return part;
        }
        this.say(this.trans.__('%1: reading what it has printed…', this.job.name));
        if (Date.now() - drawn > DRAWN_EVERY_MS) {
          this.draw();
          drawn = Date.now();
        }
      }
    } finally {
      this.draw();
    }
  }

  /** Text of a user's notebook: only ever in text nodes, never read as HTML. */
  private draw(): void {
    const ended = this.text.takeEnded();
    if (ended === '' && this.line.data === this.text.line) {
      return;
    }
    const { scrollHeight, scrollTop, clientHeight } = this.lines;
    const atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (ended !== '') {
      this.held += ended.length;
      this.line.before(document.createTextNode(ended));
    }
    this.line.data = this.text.line;
    while (this.held > MOST_CHARACTERS && this.lines.childNodes.length > 2) {
      const first = this.lines.firstChild;
      this.held -= first?.textContent?.length ?? 0;
      first?.remove();
    }
    if (atEnd) {
      this.lines.scrollTop = this.lines.scrollHeight;
    }
  }

  private say(text: string): void {
    if (this.state.textContent !== text) {
      this.state.textContent = text;
    }
  }

  private readonly poll: Poll<void>;
  private readonly state = document.createElement('div');
  private readonly lines = document.createElement('pre');
  /** The line that is being written, after those that have ended. */
  private readonly line = document.createTextNode('');
  private readonly text = new LogText(MOST_CHARACTERS);
  private reading: Promise<JobLog> | null = null;
  private offset = 0;
  private held = 0;
}
