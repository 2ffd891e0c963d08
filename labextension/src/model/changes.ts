/** What has changed lately, as far as this page has seen it, or its reader has not put it away. */
import type { SliceInfo } from '../api/share';

const PUT_AWAY = 'sublet-lab:moves-put-away';
/** So many moves that were put away are remembered: each is told for an hour. */
const MOST_PUT_AWAY = 20;

/** A slice has come to another card of its machine. */
export interface MovedSlice {
  /** The place of the card before among the machine's; `null`: that card is no more. */
  from: number | null;
  at: Date;
}

export class SeenChanges {
  /** From which card a slice has come lately, unless its reader has put that away. */
  moved(slice: SliceInfo | null): MovedSlice | null {
    if (slice?.came_at == null || this.putAway.includes(nameOf(slice))) {
      return null;
    }
    return { from: slice.came_from, at: slice.came_at };
  }

  /** Tell of a slice's last move no more: neither on this page nor on another of this browser. */
  putMoveAway(slice: SliceInfo): void {
    this.putAway = [nameOf(slice), ...this.putAway].slice(0, MOST_PUT_AWAY);
    try {
      localStorage.setItem(PUT_AWAY, JSON.stringify(this.putAway));
    } catch {
      // A browser that keeps nothing: until the page is loaded anew.
    }
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

  private lastWaiting = 0;
  private _waitsSince = new Date(0);
  private putAway = keptNames();
}

function nameOf(slice: SliceInfo): string {
  return `${slice.lease.slice_id} ${slice.came_at?.toISOString() ?? ''}`;
}

function keptNames(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(PUT_AWAY) ?? '[]');
    return Array.isArray(kept) ? kept.filter(each => typeof each === 'string') : [];
  } catch {
    return [];
  }
}
