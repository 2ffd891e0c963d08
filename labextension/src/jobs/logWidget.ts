/** A job's log, followed live. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Poll } from '@lumino/polling';
import { Widget } from '@lumino/widgets';

import { ApiError, type SubletApi } from '../api/client';
import type { Job } from '../api/jobs';
import { stateWord } from './words';

const EVERY_MS = 1000;
/** A tab holds so much of a log: a browser that shows more becomes slow. */
const MOST_CHARACTERS = 1_000_000;
const NEAR_END_PX = 40;

/** What terminals take as colours and cursor moves. */
// eslint-disable-next-line no-control-regex
const ESCAPES = /\u001b\[[0-9;?]*[ -/]*[@-~]/g;

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
      const part = await this.api.log(this.job.job_id, this.offset);
      this.offset = part.next_offset;
      this.append(part.text);
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

  /** Text of a user's notebook: appended as a text node, never read as HTML. */
  private append(text: string): void {
    if (text === '') {
      return;
    }
    const { scrollHeight, scrollTop, clientHeight } = this.lines;
    const atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    const plain = text.replace(ESCAPES, '');
    this.held += plain.length;
    this.lines.append(document.createTextNode(plain));
    while (this.held > MOST_CHARACTERS && this.lines.childNodes.length > 1) {
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
  private offset = 0;
  private held = 0;
}
