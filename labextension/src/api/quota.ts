/** What the caller's groups and the caller hold, are guaranteed and may have: part of `GET share`. */
import type { Reader } from './reader';

/** Of one GPU type, in cards. */
export interface TypeShare {
  gpu_type: string;
  held: number;
  /** Of what is held, what running jobs have: neither guaranteed nor borrowed. */
  jobs: number;
  /** What slices of notebooks have within the guarantee. */
  entitled: number;
  /** What they have beyond it; `null`: of this type nothing is guaranteed to anybody. */
  borrowed: number | null;
  guaranteed: number;
  limit: number | null;
}

/** What running jobs have, where a limit of their own counts them. */
export interface JobsShare {
  types: { gpu_type: string; held: number; limit: number | null }[];
  held_cards: number;
  limit_cards: number | null;
  held_mib: number;
  limit_mib: number | null;
  /** Their slices. */
  running: number;
  most_running: number | null;
}

export interface GroupShare {
  /** `null`: none; what is charged to none is guaranteed nothing. */
  group: string | null;
  /** The groups above it, the top one first, and itself. */
  path: string[];
  types: TypeShare[];
  held_cards: number;
  limit_cards: number | null;
  held_mib: number;
  limit_mib: number | null;
  slices: number;
  most_slices: number | null;
  /** `null`: running jobs count above, beside the slices of notebooks. */
  jobs_apart: JobsShare | null;
  /** Whether the caller may have it pay. */
  may_pay: boolean;
  /** Whether the caller is a member no more, and it still pays for slices of theirs. */
  left: boolean;
}

/** A right, and which line of the quota document says so. */
export interface RightLine {
  right: string;
  value: string;
  source: string;
  line: number | null;
  /** Where it holds only if this group pays. */
  group: string | null;
}

/** Hours on cards that may be spent in a period, times their types' rates. */
export interface BudgetShare {
  /** All that this group and those in it pay counts. */
  group: string;
  /** `null`: of all together; else the caller's own. */
  owner: string | null;
  hours: number;
  charged: number;
  credited: number;
  left: number;
  /** At how many hours spent it is told that they end. */
  warn: number;
  is_over: boolean;
  at_end: string;
  renews_at: Date | null;
  source: string;
}

export interface QuotaShare {
  groups: GroupShare[];
  own: GroupShare;
  rights: RightLine[];
  keep_left_minutes: number | null;
  budgets: BudgetShare[];
}

export function readQuota(r: Reader): QuotaShare {
  return {
    groups: r.list('groups', readGroup),
    own: r.object('own', readGroup),
    rights: r.list('rights', each => ({
      right: each.text('right'),
      value: each.text('value'),
      source: each.text('source'),
      line: each.maybeNumber('line'),
      group: each.maybeText('group')
    })),
    keep_left_minutes: r.maybeNumber('keep_left_minutes'),
    budgets: r.list('budgets', readBudget)
  };
}

function readBudget(r: Reader): BudgetShare {
  return {
    group: r.text('group'),
    owner: r.maybeText('owner'),
    hours: r.number('hours'),
    charged: r.number('charged'),
    credited: r.number('credited'),
    left: r.number('left'),
    warn: r.number('warn'),
    is_over: r.flag('is_over'),
    at_end: r.text('at_end'),
    renews_at: r.maybeTime('renews_at'),
    source: r.text('source')
  };
}

function readGroup(r: Reader): GroupShare {
  return {
    group: r.maybeText('group'),
    path: r.texts('path'),
    types: r.list('types', each => ({
      gpu_type: each.text('gpu_type'),
      held: each.number('held'),
      jobs: each.number('jobs'),
      entitled: each.number('entitled'),
      borrowed: each.maybeNumber('borrowed'),
      guaranteed: each.number('guaranteed'),
      limit: each.maybeNumber('limit')
    })),
    held_cards: r.number('held_cards'),
    limit_cards: r.maybeNumber('limit_cards'),
    held_mib: r.number('held_mib'),
    limit_mib: r.maybeNumber('limit_mib'),
    slices: r.number('slices'),
    most_slices: r.maybeNumber('most_slices'),
    jobs_apart: r.maybe('jobs_apart', readJobs),
    may_pay: r.flag('may_pay', true),
    left: r.flag('left', false)
  };
}

function readJobs(r: Reader): JobsShare {
  return {
    types: r.list('types', each => ({
      gpu_type: each.text('gpu_type'),
      held: each.number('held'),
      limit: each.maybeNumber('limit')
    })),
    held_cards: r.number('held_cards'),
    limit_cards: r.maybeNumber('limit_cards'),
    held_mib: r.number('held_mib'),
    limit_mib: r.maybeNumber('limit_mib'),
    running: r.number('running'),
    most_running: r.maybeNumber('most_running')
  };
}

/** The groups of which the caller may choose one to pay. */
export function payersIn(quota: QuotaShare | null): string[] {
  return (quota?.groups ?? [])
    .filter(each => each.may_pay)
    .flatMap(each => (each.group === null ? [] : [each.group]));
}
