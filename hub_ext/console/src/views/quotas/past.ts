/** What past days would have been under a draft: asked once, followed, and given up when not wanted. */
import type { TranslationBundle } from '@sublet-lab/format/translation';

import { messageOf, type Client } from '../../api/client';
import { readEvents } from '../../api/events';
import type { PastPlace, PastPreview, PastProblem, PastProgress } from '../../api/types';
import { Store } from '../../model/store';

/** The service tells something six times a minute. */
const LONGEST_SILENCE_MS = 60_000;

export type PastStage = 'asking' | 'in-line' | 'reading' | 'simulating' | 'over';

/** Of another text it tells nothing. */
export interface Past {
  readonly text: string;
  readonly days: number;
  readonly stage: PastStage;
  /** How many others are in front. */
  readonly ahead: number;
  /** Of all that is to be done, 0 to 1. */
  readonly part: number;
  readonly report: PastPreview | null;
  /** Why there is no report; `null`: there is one, or it goes on, or it was cancelled. */
  readonly problem: string | null;
}

export class PastDays {
  readonly store = new Store<Past | null>(null);
  private controller: AbortController | null = null;

  constructor(
    private readonly client: Client,
    private readonly trans: TranslationBundle
  ) {}

  /** Ask of a text; what was asked before is given up. */
  async ask(text: string, days: number): Promise<void> {
    this.cancel();
    const controller = new AbortController();
    this.controller = controller;
    const asked: Past = {
      text,
      days,
      stage: 'asking',
      ahead: 0,
      part: 0,
      report: null,
      problem: null
    };
    this.store.set(asked);
    const tell = (told: Partial<Past>): void => {
      if (this.controller === controller) {
        this.store.set({ ...(this.store.value ?? asked), ...told });
      }
    };
    try {
      const body = { text, days };
      const answer = await this.client.openWith('/quota/preview/history', body, controller.signal);
      await readEvents(answer, controller, LONGEST_SILENCE_MS, (event, data) => {
        tell(toldBy(event, data));
      });
      if (this.store.value?.stage !== 'over') {
        tell({ stage: 'over', problem: this.trans.__('The connection to the service ended.') });
      }
    } catch (error) {
      tell({
        stage: 'over',
        problem: controller.signal.aborted
          ? this.trans.__('The connection to the service ended.')
          : messageOf(error)
      });
    }
    if (this.controller === controller) {
      this.controller = null;
    }
  }

  /** Give up what goes on; a report that is there stays. */
  cancel(): void {
    const controller = this.controller;
    if (controller !== null) {
      this.controller = null;
      controller.abort();
      this.store.set(null);
    }
  }

  /** Nobody wants to know of another text any more. */
  follow(text: string): void {
    if (this.store.value?.text !== text) {
      this.cancel();
    }
  }
}

function toldBy(event: string, data: string): Partial<Past> {
  const told: unknown = JSON.parse(data);
  switch (event) {
    case 'place':
      return { stage: 'in-line', ahead: (told as PastPlace).ahead };
    case 'progress': {
      const { stage, part } = told as PastProgress;
      return { stage: stage === 'reading' ? 'reading' : 'simulating', part };
    }
    case 'report':
      return { stage: 'over', report: told as PastPreview };
    case 'problem':
      return { stage: 'over', problem: (told as PastProblem).message };
    default:
      return {};
  }
}
