/** All who wait, of whom only those in sight are drawn: there may be thousands. */
import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { useRef, useState } from 'react';

import type { Waiting } from '../../api/types';
import { useNow } from '../../controls/useNow';
import { useTop } from '../../controls/useTop';
import { useConsole } from '../../model/console';
import { keyOf } from './filter';
import { WaitRow } from './WaitRow';

const ESTIMATED_PX = 96;
const BEYOND = 6;

export function WaitList({ waiting }: { waiting: readonly Waiting[] }): React.JSX.Element {
  const { trans } = useConsole();
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const now = useNow();
  const list = useRef<HTMLDivElement>(null);
  const top = useTop(list);
  const virtualizer = useWindowVirtualizer({
    count: waiting.length,
    estimateSize: () => ESTIMATED_PX,
    overscan: BEYOND,
    scrollMargin: top,
    getItemKey: index => {
      const one = waiting[index];
      return one === undefined ? index : keyOf(one);
    }
  });
  return (
    <div ref={list} role="list" aria-label={trans.__('Who waits')} className="card-list">
      <div style={{ height: `${String(virtualizer.getTotalSize())}px` }} role="presentation">
        {virtualizer.getVirtualItems().map(item => {
          const one = waiting[item.index];
          if (one === undefined) {
            return null;
          }
          const key = keyOf(one);
          return (
            <div
              key={item.key}
              ref={virtualizer.measureElement}
              data-index={item.index}
              role="listitem"
              aria-setsize={waiting.length}
              aria-posinset={item.index + 1}
              className="card-place"
              style={{ transform: `translateY(${String(item.start - top)}px)` }}
            >
              <WaitRow
                waiting={one}
                now={now}
                open={open.has(key)}
                onOpen={opened => {
                  const after = new Set(open);
                  if (opened) {
                    after.add(key);
                  } else {
                    after.delete(key);
                  }
                  setOpen(after);
                }}
              />
            </div>
          );
        })}
      </div>
    </div>
  );
}
