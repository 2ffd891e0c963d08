/** Answers as the server writes them, read by the real readers; a test names what matters to it. */
import { readJob, type Job } from '../../src/api/jobs';
import {
  readInspection,
  readKernel,
  readLocalShare,
  type KernelHolding,
  type LiteralProblem,
  type LiteralReading,
  type LocalShare,
  type NotebookInspection
} from '../../src/api/local';
import { Reader, type Json } from '../../src/api/reader';
import { readHistory, readShare, type Share, type SliceHistory } from '../../src/api/share';

type Fields = Record<string, unknown>;

/** As agent and service tell it; a test makes the words its own. */
export function standing(code: string, word = code): Fields {
  return { code, word, meaning: `What ${word} means.` };
}

/** As the service tells it; a test makes the words its own. */
export function rank(code: string, word = code): Fields {
  return { code, word, meaning: `What ${word} means.` };
}

/** A group's part of a quota; `null`: the caller's own. */
export function groupShare(group: string | null, fields: Fields = {}): Fields {
  return { group, path: group === null ? [] : [group], ...fields };
}

/** Of an agent's answer, where a job uses the slice. */
export const LENT: Fields = { lent: true, standing: standing('lent') };

/** Of an agent's answer, where the owner is at work. */
export const AT_WORK: Fields = { active: true, standing: standing('active') };

export function localShare(fields: Fields = {}): LocalShare {
  return readLocalShare(
    new Reader({
      slice_id: 's1',
      gpu_id: 'GPU-1',
      gpu_type: 'NVIDIA H100 80GB HBM3',
      simulated: true,
      cap_mib: 40960,
      memory_mib: 10240,
      host_mib: 0,
      gpu_memory_mib: 81920,
      standing: standing('idle'),
      state: 'resident',
      active: false,
      ...fields
    })
  );
}

export function slice(fields: Fields = {}): Fields {
  return {
    lease: {
      slice_id: 's1',
      owner: 'ada',
      server: '',
      holder: 'notebook',
      node: 'n1',
      gpu_index: 0,
      gpu_type: 'NVIDIA H100 80GB HBM3',
      memory_mib: 40960,
      compute_milli: 500
    },
    report: { state: 'resident', active: false, memory_mib: 10240 },
    standing: standing('idle'),
    seen_at: '2026-11-24T11:59:30Z',
    ...fields
  };
}

export function share(fields: Fields = {}): Share {
  return readShare(new Reader({ owner: 'ada', slices: [slice()], ...fields }));
}

export function job(fields: Fields = {}): Job {
  return readJob(
    new Reader({
      job_id: 'j1',
      owner: 'ada',
      name: 'train-digits',
      notebook: 'train-digits.ipynb',
      state: 'waiting',
      submitted_at: '2026-11-24T11:50:00Z',
      ...fields
    })
  );
}

export function kernel(fields: Fields = {}): KernelHolding {
  return readKernel(
    new Reader({ kernel_id: 'k1', name: 'python3', notebook: 'a/look.ipynb', ...fields })
  );
}

export function history(points: Fields[], fields: Fields = {}): SliceHistory {
  return readHistory(new Reader({ slice_id: 's1', step_s: 10, cap_mib: 40960, points, ...fields }));
}

export function inspection(fields: Fields = {}): NotebookInspection {
  return readInspection(
    new Reader({
      path: 'train-digits.ipynb',
      name: 'train-digits',
      cells: 6,
      folder: { files: 2, bytes: 2000, limit_bytes: 1_000_000, limit_files: 100 },
      ...fields
    })
  );
}

/** A literal that arrives as it is written, unless a problem is given. */
export function literal(
  type: string,
  value: Json,
  problem: LiteralProblem | null = null
): LiteralReading {
  return { type, value, problem };
}

export const NO_LITERAL: LiteralReading = { type: null, value: null, problem: 'not-a-literal' };
