/** The promote dialog's state as a value, what is wrong with it, and the request it stands for. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { isCompute, isMemory, mibOf, milliOf, numberOf } from '@sublet-lab/format/amounts';
import { bytes, gibNumber } from '@sublet-lab/format/quantities';

import type { JobRequest } from '../api/jobs';
import type { NotebookInspection } from '../api/local';
import type { Json } from '../api/reader';
import { fieldOf, isPython, typed, type ParameterField, type Readings } from './parameters';

export type Take = 'nothing' | 'everything' | 'some';

export interface Form {
  name: string;
  whole: boolean;
  memory_gib: string;
  compute_percent: string;
  gpus: string;
  /** By name, as they are typed. */
  parameters: Readonly<Record<string, string>>;
  /** By name; empty: not set for the job. */
  environment: Readonly<Record<string, string>>;
  take: Take;
  taken: readonly string[];
  /** Empty: as long as the payer's quota lets a job run. */
  hours: string;
  retries: number;
  /** The one that pays; empty: whichever fits best. */
  group: string;
}

/** What a form is filled in for. */
export interface Subject {
  path: string;
  inspection: NotebookInspection;
  fields: readonly ParameterField[];
  /** The caller's own slice, as a size to begin with. */
  slice_mib: number | null;
  /** The GPU that it is on. */
  card_mib: number | null;
  /** The caller's groups, of which one pays. */
  groups: readonly string[];
}

export type Problems = Readonly<Record<string, string>>;

const MIB_PER_GIB = 1024;
const S_PER_HOUR = 3600;
/** Nothing: as long as the payer's quota lets a job run, which the forecast tells. */
const USUAL_HOURS = '';
const USUAL_MIB = 10 * MIB_PER_GIB;
const MOST_NAME = 100;
const NOT_PLAIN = /[^A-Za-z0-9._-]/;
/** The service's limits of a request. */
export const MOST_RETRIES = 5;
const MOST_GPUS = 1024;
const MOST_RUN_S = 10 * 366 * 24 * S_PER_HOUR;

export function subjectOf(
  inspection: NotebookInspection,
  slice_mib: number | null,
  card_mib: number | null,
  groups: readonly string[] = []
): Subject {
  return {
    path: inspection.path,
    inspection,
    fields: inspection.parameters.map(fieldOf),
    slice_mib,
    card_mib,
    groups
  };
}

/** Sensible answers, so that two clicks are enough. */
export function firstForm(subject: Subject): Form {
  return {
    name: subject.inspection.name,
    whole: true,
    memory_gib: gibNumber(subject.slice_mib ?? USUAL_MIB),
    compute_percent: '100',
    gpus: '1',
    parameters: Object.fromEntries(subject.fields.map(field => [field.name, field.initial])),
    environment: Object.fromEntries(subject.inspection.environment.map(name => [name, ''])),
    take: 'nothing',
    taken: [],
    hours: USUAL_HOURS,
    retries: 0,
    group: ''
  };
}

/** What was typed as a parameter, and is Python's to read before the request can be written. */
export function unreadOf(form: Form, subject: Subject, readings: Readings): string[] {
  const texts = subject.fields
    .filter(field => isPython(field) && isChanged(form, field))
    .map(field => textOf(form, field));
  return [...new Set(texts)].filter(text => !readings.has(text));
}

/** What is wrong, by the field's name, each with what to do; `before`: as it was told last. */
export function problemsOf(
  form: Form,
  subject: Subject,
  readings: Readings,
  trans: TranslationBundle,
  before: Problems = {}
): Problems {
  const found: Record<string, string> = {};
  if (form.name.trim() === '') {
    found.name = trans.__('Give the job a name.');
  } else if (form.name.length > MOST_NAME) {
    found.name = trans.__('Give it a name of at most %1 characters.', MOST_NAME);
  }
  if (form.whole) {
    if (!isCount(form.gpus)) {
      found.gpus = trans.__('Write how many GPUs as a whole number, from 1 to %1.', MOST_GPUS);
    }
  } else {
    if (!isMemory(memoryOf(form, subject))) {
      found.memory = trans.__('Write the memory as a number of GiB, such as 10.');
    }
    if (!isCompute(milliOf(form.compute_percent))) {
      found.compute = trans.__('Write the compute share in percent, from 0.1 to 100.');
    }
  }
  if (!isRunTime(longestRunOf(form))) {
    found.hours = trans.__(
      'Write a number of hours up to %1, such as 12 or 0.5, or leave it empty.',
      MOST_RUN_S / S_PER_HOUR
    );
  }
  for (const field of subject.fields.filter(each => isChanged(form, each))) {
    const name = `parameter:${field.name}`;
    const known = typed(field, textOf(form, field), readings, trans);
    // What is being corrected stays marked until it is read.
    const problem = known === null ? before[name] : known.problem;
    if (problem != null) {
      found[name] = problem;
    }
  }
  const takes = takeProblem(form, subject, trans);
  if (takes !== null) {
    found.take = takes;
  }
  return found;
}

/** What becomes of a name that is not plain, for jobs' folders and commands bear it. */
export function nameHelp(form: Form, trans: TranslationBundle): string {
  return NOT_PLAIN.test(form.name.trim())
    ? trans.__('Letters, digits, “.”, “_” and “-” stay; anything else becomes “-”.')
    : '';
}

/**
 * The request; only what differs from the notebook is said, so its own defaults stay its own.
 *
 * `null` while something typed is not read.
 */
export function requestOf(
  form: Form,
  subject: Subject,
  readings: Readings,
  trans: TranslationBundle
): JobRequest | null {
  const parameters: [string, Json][] = [];
  for (const field of subject.fields.filter(each => isChanged(form, each))) {
    const known = typed(field, textOf(form, field), readings, trans);
    if (known === null) {
      return null;
    }
    parameters.push([field.name, known.value]);
  }
  const environment = Object.entries(form.environment).filter(([, value]) => value !== '');
  const size = form.whole
    ? { memory_mib: 'whole' as const, gpus: Number(form.gpus) }
    : {
        memory_mib: memoryOf(form, subject),
        compute_milli: milliOf(form.compute_percent)
      };
  const max_run_s = longestRunOf(form);
  return {
    notebook: subject.path,
    name: form.name.trim(),
    ...size,
    ...(parameters.length > 0 ? { parameters: Object.fromEntries(parameters) } : {}),
    ...(environment.length > 0 ? { environment: Object.fromEntries(environment) } : {}),
    ...(form.take === 'nothing' ? {} : { take_along: taken(form) }),
    ...(max_run_s === null ? {} : { max_run_s }),
    ...(form.retries > 0 ? { retries: form.retries } : {}),
    ...(form.group === '' ? {} : { group: form.group })
  };
}

/** What the chosen files come to. */
export function takenAmount(form: Form, subject: Subject): { files: number; bytes: number } {
  const chosen = subject.inspection.folder.entries.filter(each => form.taken.includes(each.path));
  return {
    files: chosen.reduce((sum, entry) => sum + entry.files, 0),
    bytes: chosen.reduce((sum, entry) => sum + entry.bytes, 0)
  };
}

function takeProblem(form: Form, subject: Subject, trans: TranslationBundle): string | null {
  const folder = subject.inspection.folder;
  if (form.take === 'everything' && folder.too_large) {
    return trans.__(
      'The folder is too large to take along: at most %1 in %2 files. Choose the files that the job needs, or move large data elsewhere and have the notebook read it from there.',
      bytes(folder.limit_bytes),
      folder.limit_files
    );
  }
  if (form.take === 'some') {
    if (form.taken.length === 0) {
      return trans.__('Choose at least one file, or take nothing along.');
    }
    const amount = takenAmount(form, subject);
    if (amount.bytes > folder.limit_bytes) {
      return trans.__(
        'That is %1; at most %2 can be taken along. Choose fewer files.',
        bytes(amount.bytes),
        bytes(folder.limit_bytes)
      );
    }
    if (amount.files > folder.limit_files) {
      return trans.__(
        'That is more than %1 files, and no more can be taken along. Choose fewer, or pack them into one file.',
        folder.limit_files
      );
    }
  }
  return null;
}

function taken(form: Form): string[] {
  return form.take === 'everything' ? ['.'] : [...form.taken];
}

function isChanged(form: Form, field: ParameterField): boolean {
  return textOf(form, field) !== field.initial;
}

function textOf(form: Form, field: ParameterField): string {
  return form.parameters[field.name] ?? field.initial;
}

function isCount(text: string): boolean {
  return /^[1-9]\d{0,3}$/.test(text.trim()) && Number(text) <= MOST_GPUS;
}

function memoryOf(form: Form, subject: Subject): number {
  return mibOf(form.memory_gib, [subject.slice_mib, subject.card_mib]);
}

/** In seconds; `null` where the payer's quota decides, `NaN` where no number is typed. */
export function longestRunOf(form: Form): number | null {
  return form.hours.trim() === '' ? null : Math.round(numberOf(form.hours) * S_PER_HOUR);
}

function isRunTime(seconds: number | null): boolean {
  return seconds === null || (seconds >= 1 && seconds <= MOST_RUN_S);
}
