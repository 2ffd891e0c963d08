/** The time, for spans that grow while nothing else changes. */
import { useEffect, useState } from 'react';

const EVERY_MS = 10_000;

export function useNow(): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = window.setInterval(() => {
      setNow(new Date());
    }, EVERY_MS);
    return () => {
      window.clearInterval(timer);
    };
  }, []);
  return now;
}
