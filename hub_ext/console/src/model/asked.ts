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

  constructor(private readonly ask: () => Promise<T>) {}

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
    } while (this.pending());
    this.asking = false;
  }

  private pending(): boolean {
    return this.again;
  }
}
