/** What has changed between two answers of the service, as far as this page has seen it. */
import type { Lease } from '../api/share';

/** So long it is told that a slice has come from another card. */
const MOVE_IS_NEWS_FOR_MS = 15 * 60 * 1000;

/** A slice has come to another card of its machine. */
export interface MovedSlice {
  /** The place of the card before among the machine's. */
  from: number;
  /** When this page saw it. */
  at: Date;
}

export class SeenChanges {
  /** From which card my slice has come lately. */
  get moved(): MovedSlice | null {
    const last = this.lastMove;
    return last !== null && Date.now() - last.at.getTime() < MOVE_IS_NEWS_FOR_MS ? last : null;
  }

  /** Since when somebody waits in line; what was seen of the line before is of another time. */
  get waitsSince(): Date {
    return this._waitsSince;
  }

  /** Take up how many of the caller's servers wait; gives whether these are others than before. */
  followLine(waiting: number): boolean {
    const before = this.lastWaiting;
    if (before === 0 && waiting > 0) {
      this._waitsSince = new Date();
    }
    this.lastWaiting = waiting;
    return waiting !== before;
  }

  /** Take up where my slice is. */
  followSlice(lease: Lease | null): void {
    const before = this.lastLease;
    if (lease === null || lease.slice_id !== before?.slice_id) {
      this.lastMove = null;
    } else if (lease.gpu_id !== before.gpu_id) {
      this.lastMove = { from: before.gpu_index, at: new Date() };
    }
    this.lastLease = lease;
  }

  private lastWaiting = 0;
  private _waitsSince = new Date(0);
  private lastLease: Lease | null = null;
  private lastMove: MovedSlice | null = null;
}
