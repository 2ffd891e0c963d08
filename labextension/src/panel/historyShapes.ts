/** The last hour of a slice as shapes: pure geometry, drawn by `HistoryChart`. */
import type { HistoryPoint, SliceHistory } from '../api/share';

export interface Size {
  width: number;
  height: number;
}

export interface Span {
  x: number;
  width: number;
  from: Date;
  until: Date;
}

export interface Shapes {
  /** Where it begins: an hour ago, or later while the record is young. */
  since: Date;
  /** Areas from the bottom: on the GPU, and with what is in host memory on top. */
  onGpu: string;
  inHost: string;
  /** A line: how busy it kept the GPU. */
  utilisation: string;
  lent: Span[];
  /** How high the cap is; the chart's height stands for `top_mib`. */
  capY: number;
  top_mib: number;
  /** The largest that it held, and for how long it was lent. */
  most_mib: number;
  lent_s: number;
}

const HOUR_S = 3600;
/** A record younger than this is drawn as if it were so old: else it would shrink by the second. */
const LEAST_S = 600;
/** A point that is missing leaves a gap; one that is a little late does not. */
const GAP_STEPS = 2.5;

export function shapesOf(history: SliceHistory, size: Size, now: Date): Shapes {
  const hour_ago = now.getTime() - HOUR_S * 1000;
  const points = history.points.filter(
    point => point.at.getTime() >= hour_ago && point.at.getTime() <= now.getTime()
  );
  const first = points.at(0)?.at.getTime() ?? hour_ago;
  const since = Math.min(first, now.getTime() - LEAST_S * 1000);
  const held = points.map(point => point.memory_mib + point.host_mib);
  const most_mib = Math.max(0, ...held);
  const top_mib = Math.max(history.cap_mib, most_mib, 1) * 1.08;
  const x = (at: Date): number => ((at.getTime() - since) / (now.getTime() - since)) * size.width;
  const y = (part: number): number => size.height - part * size.height;
  const runs = unbroken(points, history.step_s);
  const area = (amount: (point: HistoryPoint) => number): string =>
    runs.map(run => areaOf(run, x, point => y(amount(point) / top_mib), size.height)).join('');
  const lent = lentSpans(runs, history.step_s, now).map(([from, until]) => ({
    x: x(from),
    width: Math.max(1, x(until) - x(from)),
    from,
    until
  }));
  return {
    since: new Date(since),
    onGpu: area(point => point.memory_mib),
    inHost: area(point => point.memory_mib + point.host_mib),
    utilisation: runs
      .map(run => lineOf(run, x, point => y(point.utilisation_percent / 108)))
      .join(''),
    lent,
    capY: y(history.cap_mib / top_mib),
    top_mib,
    most_mib,
    lent_s: lent.reduce((sum, span) => sum + (span.until.getTime() - span.from.getTime()) / 1000, 0)
  };
}

/** The points in runs without gaps. */
function unbroken(points: HistoryPoint[], step_s: number): HistoryPoint[][] {
  const runs: HistoryPoint[][] = [];
  let last: HistoryPoint | null = null;
  for (const point of points) {
    const gap = last === null || point.at.getTime() - last.at.getTime() > GAP_STEPS * step_s * 1000;
    if (gap) {
      runs.push([point]);
    } else {
      runs.at(-1)?.push(point);
    }
    last = point;
  }
  return runs;
}

type Across = (at: Date) => number;
type Up = (point: HistoryPoint) => number;

function lineOf(run: HistoryPoint[], x: Across, y: Up): string {
  return run
    .map((point, at) => `${at === 0 ? 'M' : 'L'}${round(x(point.at))} ${round(y(point))}`)
    .join('');
}

function areaOf(run: HistoryPoint[], x: Across, y: Up, bottom: number): string {
  const first = run.at(0);
  const last = run.at(-1);
  if (first === undefined || last === undefined) {
    return '';
  }
  const top = lineOf(run, x, y);
  return `${top}L${round(x(last.at))} ${bottom}L${round(x(first.at))} ${bottom}Z`;
}

function lentSpans(runs: HistoryPoint[][], step_s: number, now: Date): [Date, Date][] {
  const spans: [Date, Date][] = [];
  for (const run of runs) {
    let from: Date | null = null;
    let until: Date | null = null;
    for (const point of run) {
      if (point.lent) {
        from ??= point.at;
        until = new Date(Math.min(now.getTime(), point.at.getTime() + step_s * 1000));
      } else if (from !== null && until !== null) {
        spans.push([from, until]);
        from = null;
      }
    }
    if (from !== null && until !== null) {
      spans.push([from, until]);
    }
  }
  return spans;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
