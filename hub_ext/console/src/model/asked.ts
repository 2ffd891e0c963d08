/** Something that is asked for anew whenever the stream says so. */
import { messageOf } from '../api/client';
import { Store } from './store';

export interface Asked<T> {
  /** `null` until the first answer. */
  readonly value: T | null;
  /** Why the last question was not answered; `null`: it was. */
  readonly problem: string | null;
}

export class Question<T> {
  readonly store = new Store<Asked<T>>({ value: null, problem: null });
  private asking = false;
  private again = false;

  constructor(
    private readonly ask: () => Promise<T>,
    /** So long after an answer nobody asks anew, of what is much to send. */
    private readonly rest_ms = 0
  ) {}

  /** Ask now; who asks meanwhile is answered by one more question after this one. */
  async refresh(): Promise<void> {
    if (this.asking) {
      this.again = true;
      return;
    }
    this.asking = true;
    do {
      this.again = false;
      try {
        this.store.set({ value: await this.ask(), problem: null });
      } catch (error) {
        this.store.set({ value: this.store.value.value, problem: messageOf(error) });
      }
      if (this.rest_ms > 0) {
        await new Promise(done => window.setTimeout(done, this.rest_ms));
      }
    } while (this.pending());
    this.asking = false;
  }

  private pending(): boolean {
    return this.again;
  }
}
