/** The last hour of my slice: memory, how busy the GPU was with it, and when it was lent. */
import { clock, gib, span } from '@sublet-lab/format/quantities';
import * as React from 'react';

import { Section, type PageContext } from '../controls/pageContext';
import { shapesOf } from './historyShapes';

const SIZE = { width: 300, height: 84 };

export function HistoryChart({
  page,
  now
}: {
  page: PageContext;
  now: Date;
}): React.JSX.Element | null {
  const { trans, model } = page;
  const seen = model.history;
  const pattern = React.useId();
  if (seen === null) {
    return null;
  }
  const shapes = shapesOf(seen.value, SIZE, now);
  const points = seen.value.points.length;
  const summary = [
    trans.__('The last hour of your slice.'),
    trans.__('It held up to %1 of %2.', gib(shapes.most_mib), gib(seen.value.cap_mib)),
    shapes.lent_s > 0
      ? trans.__('It was lent for %1.', span(trans, shapes.lent_s))
      : trans.__('It was not lent.')
  ].join(' ');
  return (
    <Section name="history" title={trans.__('Last hour')} stale={!seen.fresh}>
      {points < 2 ? (
        <p className="sublet-quiet">{trans.__('The record of your slice begins now.')}</p>
      ) : (
        <>
          <svg
            className="sublet-chart"
            viewBox={`0 0 ${SIZE.width} ${SIZE.height}`}
            preserveAspectRatio="none"
            role="img"
            aria-label={summary}
          >
            <title>{summary}</title>
            <defs>
              <pattern
                id={pattern}
                width="6"
                height="6"
                patternUnits="userSpaceOnUse"
                patternTransform="rotate(45)"
              >
                <rect width="6" height="6" className="sublet-chart-lent-ground" />
                <rect width="2" height="6" className="sublet-chart-lent-line" />
              </pattern>
            </defs>
            {shapes.lent.map(each => (
              <rect
                key={each.from.getTime()}
                x={each.x}
                y={0}
                width={each.width}
                height={SIZE.height}
                fill={`url(#${pattern})`}
                data-sublet="lent-span"
              >
                <title>{trans.__('Lent from %1 to %2', clock(each.from), clock(each.until))}</title>
              </rect>
            ))}
            <path d={shapes.inHost} className="sublet-chart-host" />
            <path d={shapes.onGpu} className="sublet-chart-gpu" />
            <path d={shapes.utilisation} className="sublet-chart-busy" />
            <line
              x1={0}
              x2={SIZE.width}
              y1={shapes.capY}
              y2={shapes.capY}
              className="sublet-chart-cap"
            />
          </svg>
          <div className="sublet-chart-axis" aria-hidden="true">
            <span>{clock(shapes.since)}</span>
            <span>{trans.__('cap %1', gib(seen.value.cap_mib))}</span>
            <span>{trans.__('now')}</span>
          </div>
          <Legend page={page} lent={shapes.lent.length > 0} />
        </>
      )}
    </Section>
  );
}

function Legend({ page, lent }: { page: PageContext; lent: boolean }): React.JSX.Element {
  const { trans } = page;
  return (
    <ul className="sublet-legend" aria-label={trans.__('Legend')}>
      <li>
        <i className="sublet-key sublet-on-gpu" />
        {trans.__('memory')}
      </li>
      <li>
        <i className="sublet-key sublet-in-host" />
        {trans.__('moved out')}
      </li>
      <li>
        <i className="sublet-key sublet-key-line" />
        {trans.__('busy')}
      </li>
      {lent && (
        <li>
          <i className="sublet-key sublet-key-lent" />
          {trans.__('lent')}
        </li>
      )}
    </ul>
  );
}
