/** The cards, of which only those in sight are drawn: there may be thousands. */
import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { useRef, useState } from 'react';

import type { Card } from '../../api/types';
import { useTop } from '../../controls/useTop';
import { useConsole } from '../../model/console';
import { CardRow } from './CardRow';
import type { Selection } from './selection';

const ESTIMATED_PX = 96;
const BEYOND = 6;

export function CardList(props: {
  cards: readonly Card[];
  power_w: ReadonlyMap<string, number>;
  selection: Selection | null;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { cards, power_w, selection } = props;
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const list = useRef<HTMLDivElement>(null);
  const top = useTop(list);
  const virtualizer = useWindowVirtualizer({
    count: cards.length,
    estimateSize: () => ESTIMATED_PX,
    overscan: BEYOND,
    scrollMargin: top,
    getItemKey: index => cards[index]?.report.gpu_id ?? index
  });
  return (
    <div ref={list} role="list" aria-label={trans.__('Cards')} className="card-list">
      <div style={{ height: `${String(virtualizer.getTotalSize())}px` }} role="presentation">
        {virtualizer.getVirtualItems().map(item => {
          const card = cards[item.index];
          if (card === undefined) {
            return null;
          }
          const gpu_id = card.report.gpu_id;
          return (
            <div
              key={item.key}
              ref={virtualizer.measureElement}
              data-index={item.index}
              role="listitem"
              aria-setsize={cards.length}
              aria-posinset={item.index + 1}
              className="card-place"
              style={{ transform: `translateY(${String(item.start - top)}px)` }}
            >
              <CardRow
                card={card}
                power_w={power_w.get(gpu_id)}
                selection={selection}
                open={open.has(gpu_id)}
                onOpen={opened => {
                  const after = new Set(open);
                  if (opened) {
                    after.add(gpu_id);
                  } else {
                    after.delete(gpu_id);
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
