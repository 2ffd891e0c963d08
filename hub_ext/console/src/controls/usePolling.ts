/** Asks now, and every few seconds, what the stream does not tell of; not while the page is hidden. */
import { useEffect } from 'react';

const EVERY_MS = 10_000;

/** `ask` is another function where the question is another; `null`: nothing is asked. */
export function usePolling(ask: (() => void) | null): void {
  useEffect(() => {
    if (ask === null) {
      return;
    }
    const askInSight = (): void => {
      if (!document.hidden) {
        ask();
      }
    };
    askInSight();
    const timer = window.setInterval(askInSight, EVERY_MS);
    return () => {
      window.clearInterval(timer);
    };
  }, [ask]);
}
