/** Bodies as the service sends them, with what a test does not care for filled in. */
import type { Card, QuotaInForce, Slice } from '../../src/api/types';

const GIB = 1024;
const AT = '2026-12-02T09:00:00Z';

export interface SliceFacts {
  owner?: string;
  server?: string;
  id?: string;
  job?: boolean;
  cap_gib?: number;
  on_card_gib?: number;
  host_gib?: number;
  state?: 'resident' | 'paused' | 'suspended';
  utilisation?: number | null;
  active?: boolean;
  lent_to?: string[];
  rank?: string;
  group?: string | null;
  /** How it stands with its share of the compute: which of the five, and the words. */
  kept?: [holds: string, words: string];
}

export function aSlice(facts: SliceFacts = {}): Slice {
  const owner = facts.owner ?? 'ada';
  const cap_mib = (facts.cap_gib ?? 10) * GIB;
  return {
    lease: {
      slice_id: facts.id ?? `slice-of-${owner}`,
      owner,
      server: facts.server ?? '',
      holder: facts.job === true ? 'job' : 'notebook',
      pool: 'interactive',
      node: 'node-a',
      gpu_id: 'GPU-0',
      gpu_index: 0,
      gpu_type: 'H100',
      gpu_memory_mib: 80 * GIB,
      simulated: true,
      memory_mib: cap_mib,
      compute_milli: 250,
      size: 'small',
      created_at: AT
    },
    report: {
      slice_id: facts.id ?? `slice-of-${owner}`,
      state: facts.state ?? 'resident',
      active: facts.active ?? false,
      since: AT,
      memory_mib: (facts.on_card_gib ?? 0) * GIB,
      memory_told: true,
      host_mib: (facts.host_gib ?? 0) * GIB,
      utilisation_percent: facts.utilisation === undefined ? 0 : facts.utilisation
    } as Slice['report'],
    standing: null,
    warnings: [],
    compute_kept: facts.kept === undefined ? null : keptOf(...facts.kept),
    cap_kept: null,
    seen_at: AT,
    silent: false,
    kept_until: null,
    lent_to: facts.lent_to ?? [],
    waits_for: [],
    lent_since: null,
    last_lent: null,
    rank:
      facts.rank === undefined
        ? null
        : { code: facts.rank, word: facts.rank, meaning: '', as_before_until: null, back_at: null },
    group: facts.group ?? null,
    moving_to: null,
    came_from: null,
    came_at: null,
    idle_end: null,
    idle_spared: null
  };
}

function keptOf(holds: string, words: string): Slice['compute_kept'] {
  return { code: holds, holds, words, meaning: `It is ${words}.` };
}

export interface CardFacts {
  node?: string;
  index?: number;
  pool?: string;
  type?: string;
  memory_gib?: number;
  used_gib?: number;
  utilisation?: number | null;
  energy_mj?: number | null;
  temperature_c?: number | null;
  seen_at?: string;
  slices?: Slice[];
  more?: Partial<Card>;
  report?: Partial<Card['report']>;
}

export function aCard(facts: CardFacts = {}): Card {
  const node = facts.node ?? 'node-a';
  const index = facts.index ?? 0;
  const slices = facts.slices ?? [];
  return {
    node,
    pool: facts.pool ?? 'interactive',
    report: {
      gpu_id: `${node}-${String(index)}`,
      index,
      type: 'NVIDIA H100 80GB HBM3',
      simulated: true,
      memory_mib: (facts.memory_gib ?? 80) * GIB,
      margin_mib: GIB,
      used_mib: (facts.used_gib ?? 0) * GIB,
      utilisation_percent: facts.utilisation === undefined ? 0 : facts.utilisation,
      energy_mj: facts.energy_mj ?? null,
      temperature_c: facts.temperature_c ?? null,
      closed: null,
      closed_for_good: false,
      foreign_processes: null,
      unfit: [],
      unfrozen: null,
      lendable_mib: 0,
      suspend_mib_per_s: 1700,
      host_memory_mib: null,
      ...facts.report
    },
    slices,
    promised_mib: slices.reduce((sum, each) => sum + each.lease.memory_mib, 0),
    overcommit: 0,
    seen_at: facts.seen_at ?? AT,
    silent: false,
    closing: null,
    planned_closing: null,
    kept_out: null,
    type_name: facts.type ?? 'H100',
    ...facts.more
  };
}

/** What an admin of the group vision is told of it. */
export const A_CALENDAR = {
  begins_at: '2026-12-02T09:00:00Z',
  ends_at: '2026-12-02T09:00:00Z',
  reservations: [],
  exceptions: [
    {
      who: [],
      groups: ['vision'],
      sets: [],
      until: '2026-12-02T09:00:00Z',
      is_over: false,
      why: 'a',
      line: null
    },
    {
      who: [],
      groups: ['robots'],
      sets: [],
      until: '2026-12-02T09:00:00Z',
      is_over: false,
      why: 'b',
      line: 3
    }
  ],
  left_out: 0
};

export const A_PREVIEW = {
  at: '2026-12-02T09:00:00Z',
  revision: null,
  groups: ['vision'],
  people: 1,
  beyond: [],
  budgets: [],
  ranks: [],
  brought_back: [],
  claims: [
    {
      group: null,
      gpu_type: 'H100',
      gpu_id: 'g',
      node: 'node-a',
      gpu_index: 0,
      calls_back: [{ slice_id: 's', owner: 'dan' }],
      in_the_way: []
    }
  ],
  jobs: [],
  jobs_are_planned: true,
  unmet: [],
  rights: [],
  reservations: [],
  warnings: [],
  placed: [],
  left_out: 0
};

/** What an admin of the group *vision* is told of their part. */
export const A_PART: QuotaInForce = {
  document: {},
  text: 'groups:\n  vision:\n    groups:\n      robots: {}\n',
  path: null,
  kept_in: 'database',
  revision: null,
  part: 'a'.repeat(32),
  loaded_at: null,
  errors: [],
  warnings: [],
  groups: ['vision']
};
