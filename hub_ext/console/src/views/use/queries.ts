/** What is asked for a choice: of the time, by what, and of whom. */
import type { RefusalSum, UseReport, WaitedReport } from '../../api/types';
import type { By, Choice, Times } from './choice';
import { zoneName, type Step } from './steps';

interface Asked {
  readonly since: string;
  readonly until: string;
}

/** A query of hours or waits. */
export interface HoursQuery extends Asked {
  readonly zone: string;
  readonly by?: readonly string[];
  readonly owner?: string;
}

export function timesAsked(times: Times): Asked {
  return { since: times.since.toISOString(), until: times.until.toISOString() };
}

/** What each group, user or type had. */
export function totalsQuery(times: Times, by: By): HoursQuery {
  return { ...inZone(times), by: [by, 'kind'] };
}

/** What was had in each step, of all or of who is chosen. */
export function courseQuery(times: Times, step: Step, chosen: Chosen): HoursQuery {
  return { ...inZone(times), ...ownerOf(chosen), by: [...apartOf(chosen), step, 'kind'] };
}

/** Energy, in each step, without what became of the hours. */
export function energyQuery(times: Times, step: Step, chosen: Chosen): HoursQuery {
  return { ...inZone(times), ...ownerOf(chosen), by: [...apartOf(chosen), step] };
}

export function waitsQuery(times: Times, chosen: Chosen): HoursQuery {
  return {
    ...inZone(times),
    ...ownerOf(chosen),
    ...(chosen.by === 'type' ? {} : { by: [chosen.by] })
  };
}

export function refusalsQuery(
  times: Times,
  chosen: Chosen
): Asked & { owner?: string; by?: string } {
  return {
    ...timesAsked(times),
    ...ownerOf(chosen),
    ...(chosen.by === 'group' ? { by: chosen.by } : {})
  };
}

export type Chosen = Pick<Choice, 'by' | 'of'>;

/** What the service told, and for what it was asked: the choice may be another by now. */
export interface Totals {
  readonly report: UseReport;
  readonly by: By;
}

export interface Course extends Chosen {
  readonly report: UseReport;
  readonly step: Step;
  readonly times: Times;
}

export interface Waits extends Chosen {
  readonly report: WaitedReport;
}

export interface Refusals extends Chosen {
  readonly sums: readonly RefusalSum[];
}

function ownerOf(chosen: Chosen): { owner?: string } {
  return chosen.by === 'owner' && chosen.of !== null ? { owner: chosen.of } : {};
}

/** What of all rows is chosen is told apart; one owner's the service tells alone. */
function apartOf(chosen: Chosen): By[] {
  return chosen.of !== null && chosen.by !== 'owner' ? [chosen.by] : [];
}

function inZone(times: Times): Asked & { zone: string } {
  return { ...timesAsked(times), zone: zoneName() };
}
