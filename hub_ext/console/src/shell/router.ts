/** Which view is shown, and how: both stand in the address, so that it can be sent to others. */
import { useSyncExternalStore, type MouseEvent } from 'react';

const MOVED = 'sublet:moved';
/** In the address: of which of their groups an admin of groups sees things. */
const GROUP = 'of-group';
const VIEW = /^view\/([a-z-]+)/;

export interface Place {
  /** The view's name; empty for whichever comes first. */
  readonly view: string;
  readonly query: string;
}

export function placeOf(address: { pathname: string; search: string }, prefix: string): Place {
  const below = address.pathname.startsWith(prefix) ? address.pathname.slice(prefix.length) : '';
  return { view: VIEW.exec(below)?.[1] ?? '', query: address.search };
}

/** Other views are of the same group. */
export function pathOf(prefix: string, view: string, group: string | null = null): string {
  const query = group === null ? '' : `?${String(new URLSearchParams({ [GROUP]: group }))}`;
  return `${prefix}view/${view}${query}`;
}

export function groupOf(query: URLSearchParams): string | null {
  return query.get(GROUP);
}

export function goTo(path: string): void {
  window.history.pushState(null, '', path);
  window.dispatchEvent(new Event(MOVED));
}

/** What a link does that leads to another view of this page. */
export function following(path: string): (event: MouseEvent) => void {
  return event => {
    // Who wants another tab gets one.
    if (event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey) {
      event.preventDefault();
      goTo(path);
    }
  };
}

/** Change how the view is shown, without a step to go back to; of which group stays. */
export function setQuery(query: URLSearchParams): void {
  const group = groupOf(new URLSearchParams(window.location.search));
  put(withGroup(query, group));
}

/** Show the view of another group, or of none. */
export function setGroup(group: string | null): void {
  put(withGroup(new URLSearchParams(window.location.search), group));
}

function withGroup(query: URLSearchParams, group: string | null): URLSearchParams {
  const made = new URLSearchParams(query);
  made.delete(GROUP);
  if (group !== null) {
    made.set(GROUP, group);
  }
  return made;
}

function put(query: URLSearchParams): void {
  const text = query.toString();
  const path = window.location.pathname + (text === '' ? '' : `?${text}`);
  window.history.replaceState(null, '', path);
  window.dispatchEvent(new Event(MOVED));
}

function watch(changed: () => void): () => void {
  window.addEventListener('popstate', changed);
  window.addEventListener(MOVED, changed);
  return () => {
    window.removeEventListener('popstate', changed);
    window.removeEventListener(MOVED, changed);
  };
}

export function usePlace(prefix: string): Place {
  const address = useSyncExternalStore(
    watch,
    () => window.location.pathname + window.location.search
  );
  return placeOf(new URL(address, window.location.origin), prefix);
}

export function useQuery(): URLSearchParams {
  return new URLSearchParams(useSyncExternalStore(watch, () => window.location.search));
}
