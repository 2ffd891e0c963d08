/** The parameters of a notebook as fields: what is shown, and what is made of what is typed. */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { LiteralProblem, LiteralReading, NotebookParameter } from '../api/local';
import type { Json } from '../api/reader';

export type Kind = 'int' | 'float' | 'bool' | 'str' | 'list' | 'dict' | 'any';

export interface ParameterField {
  name: string;
  kind: Kind;
  help: string;
  /** As it is shown before anything is typed. */
  initial: string;
}

export type Typed = { value: Json; problem: null } | { value: null; problem: string };

/** What Python reads in texts, as far as that is known. */
export type Readings = ReadonlyMap<string, LiteralReading>;

/** A parameter as a field. */
export function fieldOf(parameter: NotebookParameter): ParameterField {
  const { name, help, reading } = parameter;
  const kind = kindOf(parameter.type, reading);
  return { name, kind, help, initial: initialOf(kind, reading) ?? parameter.default };
}

/** Whether a field's text is Python's to read: texts and choices are what they are. */
export function isPython(field: ParameterField): boolean {
  return field.kind !== 'str' && field.kind !== 'bool';
}

/**
 * What a field's text stands for, or what is wrong with it and what to do instead.
 *
 * `null` where that is Python's to read, and not known yet.
 */
export function typed(
  field: ParameterField,
  text: string,
  readings: Readings,
  trans: TranslationBundle
): Typed | null {
  if (field.kind === 'str') {
    return { value: text, problem: null };
  }
  if (field.kind === 'bool') {
    return text === 'True' || text === 'False'
      ? { value: text === 'True', problem: null }
      : { value: null, problem: wanted(field, trans) };
  }
  const reading = readings.get(text);
  if (reading === undefined) {
    return null;
  }
  const { value, problem } = reading;
  if (problem === 'too-large') {
    return { value: null, problem: unsent(problem, field, trans) };
  }
  if (problem === 'not-a-literal' || !fits(field.kind, reading.type)) {
    return { value: null, problem: wanted(field, trans) };
  }
  // A float that is nothing else arrives as one: who runs the notebook sees to that.
  const isKept = field.kind === 'float' && problem !== 'infinite';
  return problem === null || isKept
    ? { value, problem: null }
    : { value: null, problem: `${unsent(problem, field, trans)} ${whatToDo(trans)}` };
}

/** Types of what may stand in a field; a tuple is told why it cannot be a list's place. */
const FITTING: Readonly<Record<'int' | 'float' | 'list' | 'dict', readonly string[]>> = {
  int: ['int'],
  float: ['int', 'float'],
  list: ['list', 'tuple'],
  dict: ['dict']
};

function fits(kind: Exclude<Kind, 'str' | 'bool'>, type: string | null): boolean {
  return kind === 'any' || (type !== null && FITTING[kind].includes(type));
}

function wanted(field: ParameterField, trans: TranslationBundle): string {
  switch (field.kind) {
    case 'int':
      return trans.__('%1 must be a whole number, such as 10.', field.name);
    case 'float':
      return trans.__('%1 must be a number, such as 0.001.', field.name);
    case 'bool':
      return trans.__('%1 must be True or False.', field.name);
    case 'list':
      return trans.__('%1 must be a list, such as [1, 2, 3].', field.name);
    case 'dict':
      return trans.__('%1 must be a dictionary, such as {"depth": 3}.', field.name);
    case 'str':
    case 'any':
      return trans.__(
        '%1 must be a value as Python writes it, such as 3, "text" or [1, 2].',
        field.name
      );
  }
}

/** What a job cannot be given from here. */
function unsent(
  problem: Exclude<LiteralProblem, 'not-a-literal'>,
  field: ParameterField,
  trans: TranslationBundle
): string {
  switch (problem) {
    case 'too-large':
      return trans.__(
        '%1 is too long or too deeply nested: put it into a file that the notebook reads, and give its path.',
        field.name
      );
    case 'not-in-json':
      return trans.__(
        '%1: only numbers, text, True, False, None, lists and dictionaries can be given to a job.',
        field.name
      );
    case 'large-integer':
      return trans.__(
        '%1: an integer beyond %2 would lose digits on its way to the job.',
        field.name,
        Number.MAX_SAFE_INTEGER
      );
    case 'whole-float':
      return trans.__(
        '%1: a float such as 2.0 would arrive in the job as the integer 2.',
        field.name
      );
    case 'infinite':
      return trans.__('%1: an infinite number cannot be given to a job.', field.name);
    case 'key':
      return trans.__('%1: keys that are no text would arrive in the job as text.', field.name);
    case 'tuple':
      return trans.__('%1: a tuple would arrive in the job as a list.', field.name);
  }
}

function whatToDo(trans: TranslationBundle): string {
  return trans.__('Set it in the notebook’s parameters cell, and leave this field as it was.');
}

function kindOf(type: string, reading: LiteralReading): Kind {
  switch (type) {
    case 'int':
    case 'float':
    case 'bool':
    case 'list':
    case 'dict':
      return type;
    case 'str':
      // A text that is reckoned (an f-string, a sum) is shown as it is written, and typed so too.
      return typeof reading.value === 'string' || reading.type === 'NoneType' ? type : 'any';
    default:
      break;
  }
  if (typeof reading.value === 'boolean') {
    return 'bool';
  }
  if (typeof reading.value === 'string') {
    return 'str';
  }
  // An integer's literal may well stand for any number.
  return 'any';
}

/** A field's first text where that is not what is written in the cell. */
function initialOf(kind: Kind, { value }: LiteralReading): string | null {
  if (kind === 'str' && typeof value === 'string') {
    return value;
  }
  if (kind === 'bool' && typeof value === 'boolean') {
    return value ? 'True' : 'False';
  }
  return null;
}
