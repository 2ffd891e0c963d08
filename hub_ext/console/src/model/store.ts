/** A value that parts of the page watch. */
import { useSyncExternalStore } from 'react';

export class Store<T> {
  private readonly watchers = new Set<() => void>();
  /** Done when a part of the page begins to show it, and none did before. */
  onWatched: (() => void) | null = null;

  constructor(private current: T) {}

  get value(): T {
    return this.current;
  }

  set(next: T): void {
    if (next !== this.current) {
      this.current = next;
      this.watchers.forEach(watch => {
        watch();
      });
    }
  }

  /** Whether any part of the page shows it now. */
  get isWatched(): boolean {
    return this.watchers.size > 0;
  }

  readonly watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    if (this.watchers.size === 1) {
      this.onWatched?.();
    }
    return () => {
      this.watchers.delete(watcher);
    };
  };
}

export function useStore<T>(store: Store<T>): T {
  return useSyncExternalStore(store.watch, () => store.value);
}

/** The same for who needs it only now and then; `null`: it is not watched. */
export function useStoreIf<T>(store: Store<T>, needed: boolean): T | null {
  return useSyncExternalStore(needed ? store.watch : watchNothing, () =>
    needed ? store.value : null
  );
}

function watchNothing(): () => void {
  return () => undefined;
}
