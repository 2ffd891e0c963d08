/** What this notebook server says by itself: `local-share`, `kernels` and `notebooks/…`. */
import { readCapKept, readShareKept, type CapKept, type ShareKept } from './kept';
import type { Json, Reader } from './reader';
import type { SliceState } from './share';
import { SLICE_STATES } from './share';
import { readWarning, type SliceWarning } from './sliceWarnings';
import { readStanding, type Standing } from './standing';

export interface Move {
  kind: 'suspending' | 'resuming';
  began: Date | null;
  bytes_mib: number;
  moved_mib: number | null;
  expected_s: number;
  /** For how long it has been under way, by the agent's clock; `null`: an agent of before. */
  elapsed_s: number | null;
}

export interface Wait {
  reason: string;
  place: number;
  need_mib: number;
  free_mib: number;
  moving_mib: number;
  seconds_left: number | null;
  message: string;
}

export interface LocalShare {
  slice_id: string;
  gpu_id: string;
  gpu_type: string;
  simulated: boolean;
  cap_mib: number;
  memory_mib: number;
  /** Whether the GPU tells all of that; else it is only the least. */
  memory_told: boolean;
  host_mib: number;
  gpu_memory_mib: number;
  compute_milli: number;
  /** `null`: an agent of before. */
  compute_kept: ShareKept | null;
  /** `null`: it is not known. */
  cap_kept: CapKept | null;
  standing: Standing;
  /** How it stands as soon as a cell is run, where memory has to come back for that. */
  standing_with_next_cell: Standing | null;
  state: SliceState;
  active: boolean;
  since: Date | null;
  /** `null`: the GPU does not tell. */
  utilisation_percent: number | null;
  lent: boolean;
  warnings: SliceWarning[];
  move: Move | null;
  wait: Wait | null;
  waiting_kernels: string[];
  over_cap: boolean;
  running_cell: boolean;
}

export interface KernelHolding {
  kernel_id: string;
  name: string;
  notebook: string | null;
  memory_mib: number;
  memory_told: boolean;
  host_mib: number;
  state: string;
  waits: boolean;
}

/** Why a text is no value that a job is given just as Python reads it. */
export const LITERAL_PROBLEMS = [
  'not-a-literal',
  'too-large',
  'tuple',
  'key',
  'not-in-json',
  'infinite',
  'large-integer',
  'whole-float'
] as const;
export type LiteralProblem = (typeof LITERAL_PROBLEMS)[number];

/** What Python reads in a text. */
export interface LiteralReading {
  /** Python's name of the value's type; `null`: no literal. */
  type: string | null;
  /** `null` where there is a problem, but for finite numbers. */
  value: Json;
  problem: LiteralProblem | null;
}

export interface NotebookParameter {
  name: string;
  type: string;
  /** As it is written in the cell. */
  default: string;
  reading: LiteralReading;
  help: string;
}

export interface FolderEntry {
  path: string;
  kind: 'file' | 'folder';
  files: number;
  bytes: number;
}

export interface FolderFacts {
  files: number;
  bytes: number;
  too_large: boolean;
  limit_bytes: number;
  limit_files: number;
  entries: FolderEntry[];
  /** How many more there are than are listed. */
  more: number;
}

export interface NotebookInspection {
  path: string;
  name: string;
  cells: number;
  parameters: NotebookParameter[];
  left_out: number;
  environment: string[];
  folder: FolderFacts;
  problems: string[];
}

export function readLocalShare(r: Reader): LocalShare {
  return {
    slice_id: r.text('slice_id'),
    gpu_id: r.text('gpu_id'),
    gpu_type: r.text('gpu_type'),
    simulated: r.flag('simulated'),
    cap_mib: r.number('cap_mib'),
    memory_mib: r.number('memory_mib'),
    memory_told: r.flag('memory_told', true),
    host_mib: r.number('host_mib'),
    gpu_memory_mib: r.number('gpu_memory_mib'),
    compute_milli: r.number('compute_milli', 1000),
    compute_kept: r.maybe('compute_kept', readShareKept),
    cap_kept: r.maybe('cap_kept', readCapKept),
    standing: r.object('standing', readStanding),
    standing_with_next_cell: r.maybe('standing_with_next_cell', readStanding),
    state: r.oneOf('state', SLICE_STATES, 'resident'),
    active: r.flag('active'),
    since: r.maybeTime('since'),
    utilisation_percent: r.maybeNumber('utilisation_percent'),
    lent: r.flag('lent'),
    warnings: r.list('warnings', readWarning),
    move: r.maybe('move', readMove),
    wait: r.maybe('wait', readWait),
    waiting_kernels: r.texts('waiting_kernels'),
    over_cap: r.flag('over_cap'),
    running_cell: r.flag('running_cell')
  };
}

export function readKernel(r: Reader): KernelHolding {
  return {
    kernel_id: r.text('kernel_id'),
    name: r.text('name'),
    notebook: r.maybeText('notebook'),
    memory_mib: r.number('memory_mib'),
    memory_told: r.flag('memory_told', true),
    host_mib: r.number('host_mib'),
    state: r.text('state', 'unknown'),
    waits: r.flag('waits')
  };
}

export function readInspection(r: Reader): NotebookInspection {
  return {
    path: r.text('path'),
    name: r.text('name'),
    cells: r.number('cells'),
    parameters: r.list('parameters', each => ({
      name: each.text('name'),
      type: each.text('type'),
      default: each.text('default'),
      reading: each.object('reading', readLiteral),
      help: each.text('help')
    })),
    left_out: r.number('left_out'),
    environment: r.texts('environment'),
    folder: r.object('folder', readFolder),
    problems: r.texts('problems')
  };
}

/** A server of before tells no type: then it is no literal. */
export function readLiteral(r: Reader): LiteralReading {
  const type = r.maybeText('type');
  const problem = r.maybeText('problem');
  const isPlain = type !== null && problem === null;
  return {
    type,
    value: r.json('value'),
    problem: isPlain ? null : r.oneOf('problem', LITERAL_PROBLEMS, 'not-a-literal')
  };
}

function readMove(r: Reader): Move {
  return {
    kind: r.oneOf('kind', ['suspending', 'resuming'] as const, 'resuming'),
    began: r.maybeTime('began'),
    bytes_mib: r.number('bytes_mib'),
    moved_mib: r.maybeNumber('moved_mib'),
    expected_s: r.number('expected_s'),
    elapsed_s: r.maybeNumber('elapsed_s')
  };
}

function readWait(r: Reader): Wait {
  return {
    reason: r.text('reason'),
    place: r.number('place', 1),
    need_mib: r.number('need_mib'),
    free_mib: r.number('free_mib'),
    moving_mib: r.number('moving_mib'),
    seconds_left: r.maybeNumber('seconds_left'),
    message: r.text('message')
  };
}

function readFolder(r: Reader): FolderFacts {
  return {
    files: r.number('files'),
    bytes: r.number('bytes'),
    too_large: r.flag('too_large'),
    limit_bytes: r.number('limit_bytes', Number.MAX_SAFE_INTEGER),
    limit_files: r.number('limit_files', Number.MAX_SAFE_INTEGER),
    entries: r.list('entries', each => ({
      path: each.text('path'),
      kind: each.oneOf('kind', ['file', 'folder'] as const, 'file'),
      files: each.number('files'),
      bytes: each.number('bytes')
    })),
    more: r.number('more')
  };
}
