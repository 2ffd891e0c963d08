/** The course of the hours: what became of them, stacked, with what was borrowed as a line. */
import { scaleLinear, scaleTime, type ScaleLinear, type ScaleTime } from 'd3-scale';
import { area, curveStepAfter, line, stack, type SeriesPoint } from 'd3-shape';
import { useLayoutEffect, useMemo, useRef, useState, type PointerEvent } from 'react';

import { useConsole } from '../../model/console';
import { ChartLegend, ChartPatterns } from './ChartLegend';
import { KINDS, sumOf, type Kind, type Point } from './course';
import type { Step } from './steps';
import { hoursWords, pointWords } from './words';

const USUAL_PX = 800;
const HEIGHT_PX = 240;
const PAD = { left: 48, right: 8, top: 8, bottom: 24 };
const PX_PER_DATE = 90;
const PX_PER_AMOUNT = 40;
const DAY_MS = 86_400_000;

export function UseChart(props: {
  points: readonly Point[];
  step: Step;
  label: string;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { points, step } = props;
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const [at, setAt] = useState<number | null>(null);
  const drawn = useMemo(() => drawingOf(points, width), [points, width]);
  const whole = useMemo(() => sumOf(points.map(each => ({ kinds: each.hours }))), [points]);
  const shown = at === null ? undefined : points[at];
  const words = shown === undefined ? hoursWords(whole, trans) : pointWords(step, shown, trans);
  const look = (event: PointerEvent<SVGSVGElement>): void => {
    const left = event.clientX - event.currentTarget.getBoundingClientRect().left;
    const time = drawn.x.invert(left);
    const found = points.findIndex(each => time < each.end);
    setAt(found < 0 ? points.length - 1 : found);
  };
  return (
    <figure className="use-chart" data-sublet="use-chart">
      <ChartLegend />
      <div ref={frame}>
        <svg
          role="img"
          aria-label={trans.__('%1: %2', props.label, hoursWords(whole, trans))}
          width={width}
          height={HEIGHT_PX}
          onPointerMove={look}
          onPointerLeave={() => {
            setAt(null);
          }}
        >
          <ChartPatterns />
          <Axes drawn={drawn} width={width} step={step} />
          {drawn.areas.map(({ kind, path }) => (
            <path key={kind} d={path} className="use-area" fill={`url(#use-${kind})`} />
          ))}
          <path d={drawn.borrowed} className="use-borrowed" />
          {shown !== undefined && (
            <rect
              className="use-at"
              x={drawn.x(shown.begin)}
              y={PAD.top}
              width={Math.max(1, drawn.x(shown.end) - drawn.x(shown.begin))}
              height={HEIGHT_PX - PAD.top - PAD.bottom}
            />
          )}
        </svg>
      </div>
      {points.length > 1 && (
        <input
          type="range"
          className="use-slider"
          aria-label={trans.__('Look at one step')}
          aria-valuetext={words}
          min={0}
          max={points.length - 1}
          value={at ?? points.length - 1}
          onChange={event => {
            setAt(event.target.valueAsNumber);
          }}
        />
      )}
      <figcaption data-sublet="use-told">
        {shown === undefined ? trans.__('In all: %1', words) : words}
      </figcaption>
    </figure>
  );
}

interface Drawing {
  readonly x: ScaleTime<number, number>;
  readonly y: ScaleLinear<number, number>;
  readonly areas: readonly { readonly kind: Kind; readonly path: string }[];
  readonly borrowed: string;
}

function drawingOf(points: readonly Point[], width: number): Drawing {
  const [first, last] = [points[0], points.at(-1)];
  const most = Math.max(...points.map(each => each.hours.held), 0) || 1;
  const x = scaleTime()
    .domain([first?.begin ?? new Date(0), last?.end ?? new Date(DAY_MS)])
    .range([PAD.left, width - PAD.right]);
  const y = scaleLinear()
    .domain([0, most])
    .nice()
    .range([HEIGHT_PX - PAD.bottom, PAD.top]);
  // A step is as wide as it lasts: the last one ends where nothing begins.
  const ends = last === undefined ? points : [...points, { ...last, begin: last.end }];
  const series = stack<Point, Kind>()
    .keys([...KINDS])
    .value((point, kind) => point.hours[kind])([...ends]);
  const areaOf = area<SeriesPoint<Point>>()
    .x(each => x(each.data.begin))
    .y0(each => y(each[0]))
    .y1(each => y(each[1]))
    .curve(curveStepAfter);
  const lineOf = line<Point>()
    .x(each => x(each.begin))
    .y(each => y(each.hours.borrowed))
    .curve(curveStepAfter);
  const anyBorrowed = points.some(each => each.hours.borrowed > 0);
  return {
    x,
    y,
    areas: series.map(each => ({ kind: each.key, path: areaOf(each) ?? '' })),
    borrowed: anyBorrowed ? (lineOf(ends) ?? '') : ''
  };
}

function Axes(props: { drawn: Drawing; width: number; step: Step }): React.JSX.Element {
  const { trans } = useConsole();
  const { width, step } = props;
  const { x, y } = props.drawn;
  const ticks = x.ticks(Math.max(2, Math.floor(width / PX_PER_DATE)));
  const dates = step === 'hour' ? ticks : ticks.filter(isMidnight);
  const amounts = y.ticks(Math.floor(HEIGHT_PX / PX_PER_AMOUNT));
  const bottom = HEIGHT_PX - PAD.bottom;
  return (
    <g className="use-axes" aria-hidden="true">
      {amounts.map(each => (
        <g key={each}>
          <line x1={PAD.left} x2={width - PAD.right} y1={y(each)} y2={y(each)} />
          <text x={PAD.left - 6} y={y(each)} dy="0.32em" textAnchor="end">
            {amountWord(each)}
          </text>
        </g>
      ))}
      {dates.map(each => (
        <text key={each.getTime()} x={x(each)} y={bottom + 18} textAnchor={endOf(x(each), width)}>
          {dateWord(each)}
        </text>
      ))}
      <text x={PAD.left + 4} y={PAD.top + 10}>
        {trans.__('card hours')}
      </text>
    </g>
  );
}

function amountWord(hours: number): string {
  return hours.toLocaleString([], hours < 1 ? { maximumSignificantDigits: 2 } : {});
}

function isMidnight(at: Date): boolean {
  return at.getHours() === 0 && at.getMinutes() === 0;
}

function dateWord(at: Date): string {
  return isMidnight(at)
    ? at.toLocaleDateString([], { month: 'short', day: 'numeric' })
    : at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}

/** Words at an edge stay within it. */
function endOf(x_px: number, width: number): 'start' | 'middle' | 'end' {
  if (x_px > width - PX_PER_DATE / 2) {
    return 'end';
  }
  return x_px < PAD.left + 1 ? 'start' : 'middle';
}

/** How wide the part of the page is, as it changes. */
function useWidth(frame: React.RefObject<HTMLElement>): number {
  const [width, setWidth] = useState(USUAL_PX);
  useLayoutEffect(() => {
    const element = frame.current;
    if (element === null) {
      return;
    }
    const measure = (): void => {
      setWidth(Math.floor(element.clientWidth) || USUAL_PX);
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => {
      observer.disconnect();
    };
  }, [frame]);
  return width;
}
