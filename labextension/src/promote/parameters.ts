/** The parameters of a notebook as fields: what is shown, and what is made of what is typed. */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { NotebookParameter } from '../api/local';
import { readLiteral, writeLiteral, type Literal, type Loss, type Value } from './python';

export type Kind = 'int' | 'float' | 'bool' | 'str' | 'list' | 'dict' | 'any';

export interface ParameterField {
  name: string;
  kind: Kind;
  help: string;
  /** As it is shown before anything is typed. */
  initial: string;
}

export type Typed = { value: Value; problem: null } | { value: null; problem: string };

/** A parameter as a field. */
export function fieldOf(parameter: NotebookParameter): ParameterField {
  const written = literalOrNull(parameter.default)?.value ?? null;
  const kind = kindOf(parameter.type, written, parameter.default.trim() === 'None');
  const initial =
    kind === 'str' && typeof written === 'string'
      ? written
      : kind === 'bool' && typeof written === 'boolean'
        ? writeLiteral(written)
        : parameter.default;
  return { name: parameter.name, kind, help: parameter.help, initial };
}

/** What a field's text stands for, or what is wrong with it and what to do instead. */
export function typed(field: ParameterField, text: string, trans: TranslationBundle): Typed {
  if (field.kind === 'str') {
    return { value: text, problem: null };
  }
  const read = literalOrNull(text);
  if (read === null || !fits(field.kind, read.value, text)) {
    return { value: null, problem: wanted(field, trans) };
  }
  // A float that is nothing else arrives as one: who runs the notebook sees to that.
  const kept = field.kind === 'float' && read.loss !== 'infinite';
  return read.loss === null || kept
    ? { value: read.value, problem: null }
    : { value: null, problem: `${lost(read.loss, field, trans)} ${whatToDo(trans)}` };
}

function fits(kind: Kind, value: Value, text: string): boolean {
  switch (kind) {
    case 'int':
      return typeof value === 'number' && !/[.eE]/.test(text);
    case 'float':
      return typeof value === 'number';
    case 'bool':
      return typeof value === 'boolean';
    case 'str':
      return typeof value === 'string';
    case 'list':
      return Array.isArray(value);
    case 'dict':
      return value !== null && typeof value === 'object' && !Array.isArray(value);
    case 'any':
      return true;
  }
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
function lost(loss: Loss, field: ParameterField, trans: TranslationBundle): string {
  switch (loss) {
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

function kindOf(type: string, written: Value, isNone: boolean): Kind {
  switch (type) {
    case 'int':
    case 'float':
    case 'bool':
    case 'list':
    case 'dict':
      return type;
    case 'str':
      // A text that is reckoned (an f-string, a sum) is shown as it is written, and typed so too.
      return typeof written === 'string' || isNone ? type : 'any';
    default:
      break;
  }
  if (typeof written === 'boolean') {
    return 'bool';
  }
  if (typeof written === 'string') {
    return 'str';
  }
  // An integer's literal may well stand for any number.
  return 'any';
}

function literalOrNull(text: string): Literal | null {
  try {
    return readLiteral(text.trim());
  } catch {
    return null;
  }
}
