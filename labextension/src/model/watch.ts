/**
 * One address that is asked again and again, and what was last seen there.
 *
 * Nothing is asked while the page is hidden or nobody wants to know. After a failure it is asked
 * ever more rarely, and the last answer stays, marked as old. Where the address does not exist
 * (404) it is never asked again: there is no Sublet behind this server.
 */
import { Poll } from '@lumino/polling';
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';

import { ApiError } from '../api/client';

/** An answer, and when it came. */
export interface Seen<T> {
  readonly value: T;
  readonly at: Date;
  /** The last question was answered: this is how things are now. */
  readonly fresh: boolean;
  /** Why it is not fresh. */
  readonly problem: string | null;
}

export interface WatchOptions<T> {
  name: string;
  ask: () => Promise<T>;
  interval_s: number;
  /** Whether anybody wants to know now. */
  wanted: () => boolean;
  /** Whether there is somebody to ask, as far as the page was told. */
  there: boolean;
}

const NOT_FOUND = 404;
const LONGEST_WAIT_MS = 60_000;
const BACKOFF = 2;

export class Watch<T> implements IDisposable {
  constructor(private readonly options: WatchOptions<T>) {
    this._exists = options.there ? null : false;
    this.poll = new Poll({
      name: `sublet:${options.name}`,
      auto: false,
      factory: () => this.ask(),
      frequency: frequency(options.interval_s),
      standby: () => document.hidden || !options.wanted()
    });
  }

  /** The last answer; `null` before the first. */
  get seen(): Seen<T> | null {
    return this._seen;
  }

  /** Why the last question was not answered, also where nothing was seen before; `null`: it was. */
  get problem(): string | null {
    return this._problem;
  }

  /** Somebody is there, as far as is known, who has said nothing yet, good or bad. */
  get isAwaited(): boolean {
    return this._exists !== false && this._seen === null && this._problem === null;
  }

  /** Whether there is such an address; `null` before the first answer of any kind. */
  get exists(): boolean | null {
    return this._exists;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this.poll.isDisposed;
  }

  /** Ask so often from the next question on. */
  set interval_s(seconds: number) {
    this.poll.frequency = frequency(seconds);
  }

  start(): void {
    if (this._exists !== false) {
      void this.poll.start();
    }
  }

  /** Ask now, unless nobody wants to know. */
  refresh(): void {
    if (this._exists !== false) {
      void this.poll.refresh();
    }
  }

  dispose(): void {
    this.poll.dispose();
    Signal.clearData(this);
  }

  private async ask(): Promise<void> {
    // A question that hangs may be answered, or given up, after one that was asked later.
    const mine = ++this._asked;
    try {
      const value = await this.options.ask();
      if (mine !== this._asked) {
        return;
      }
      this._exists = true;
      this._seen = { value, at: new Date(), fresh: true, problem: null };
      this._problem = null;
    } catch (error) {
      if (mine !== this._asked) {
        return;
      }
      if (error instanceof ApiError && error.status === NOT_FOUND && this._seen === null) {
        this._exists = false;
        void this.poll.stop();
        this._changed.emit();
        return;
      }
      // A server that answers with a refusal of ours has the address, and is only cut off.
      this._exists ??= error instanceof ApiError && error.status >= 500 ? true : null;
      const problem = error instanceof Error ? error.message : String(error);
      this._problem = problem;
      this._seen = this._seen === null ? null : { ...this._seen, fresh: false, problem };
      this._changed.emit();
      throw error;
    }
    this._changed.emit();
  }

  private readonly poll: Poll<void>;
  private readonly _changed = new Signal<this, void>(this);
  private _seen: Seen<T> | null = null;
  private _problem: string | null = null;
  private _asked = 0;
  private _exists: boolean | null;
}

function frequency(seconds: number): { backoff: number; interval: number; max: number } {
  const interval = Math.round(seconds * 1000);
  return { backoff: BACKOFF, interval, max: Math.max(LONGEST_WAIT_MS, interval) };
}
