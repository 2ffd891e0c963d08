/** How far below the page's top a part begins: what is above it may grow and shrink. */
import { useLayoutEffect, useState, type RefObject } from 'react';

export function useTop(part: RefObject<HTMLElement>): number {
  const [top, setTop] = useState(0);
  // After each drawing, since nothing tells that what is above has changed.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  useLayoutEffect(() => {
    const now = (part.current?.getBoundingClientRect().top ?? 0) + window.scrollY;
    if (Math.abs(now - top) > 1) {
      setTop(now);
    }
  });
  return top;
}
