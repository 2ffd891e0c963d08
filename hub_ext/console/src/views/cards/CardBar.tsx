/** The bar of a card: each slice as wide as its cap, and filled as far as it lies on the card. */
import { gib, ofGib } from '@sublet-lab/format/quantities';
import { memo } from 'react';

import type { Card } from '../../api/types';
import { useConsole } from '../../model/console';
import { barOf, type Segment } from './segments';
import { sliceWords } from './words';

export const CardBar = memo(function CardBar({ card }: { card: Card }): React.JSX.Element {
  const { trans } = useConsole();
  const bar = barOf(card);
  const { memory_mib, used_mib } = card.report;
  const words = [
    trans.__('%1 used, %2 promised', ofGib(trans, used_mib, memory_mib), gib(card.promised_mib)),
    ...card.slices.map(each => sliceWords(each, trans))
  ];
  return (
    <div className="card-bar" role="img" aria-label={words.join('. ')} data-sublet="bar">
      <Lane segments={bar.owners} kind="owners" />
      {bar.jobs.length > 0 && <Lane segments={bar.jobs} kind="jobs" />}
      {bar.end < 1 && <div className="card-end" style={{ left: percentOf(bar.end) }} />}
    </div>
  );
});

function Lane(props: { segments: readonly Segment[]; kind: 'owners' | 'jobs' }): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <div className={`lane lane-${props.kind}`}>
      {props.segments.map(({ slice, holding, from, width, filled }) => (
        <div
          key={slice.lease.slice_id}
          className={classOf(holding.where, holding.computes, holding.lent, holding.borrowed)}
          style={{ left: percentOf(from), width: percentOf(width) }}
          title={sliceWords(slice, trans)}
          data-sublet="segment"
          data-sublet-owner={slice.lease.owner}
        >
          <div className="filled" style={{ width: percentOf(filled) }} />
          <span className="segment-name">{slice.lease.owner}</span>
        </div>
      ))}
    </div>
  );
}

function classOf(where: string, computes: boolean, lent: boolean, borrowed: boolean): string {
  return [
    'segment',
    `is-${where}`,
    computes ? 'is-computing' : '',
    lent ? 'is-lent' : '',
    borrowed ? 'is-borrowed' : ''
  ]
    .filter(Boolean)
    .join(' ');
}

function percentOf(part: number): string {
  return `${(100 * part).toFixed(3)}%`;
}
