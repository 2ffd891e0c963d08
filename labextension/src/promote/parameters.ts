/** The parameters of a notebook as fields: what is shown, and what is made of what is typed. */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { NotebookParameter } from '../api/local';
import { readLiteral, writeLiteral, type Value } from './python';

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
  const written = literalOrNull(parameter.default);
  const kind = kindOf(parameter.type, written, parameter.default.trim() === 'None');
  const initial =
    kind === 'str' && typeof written === 'string'
      ? written
      : kind === 'bool' && typeof written === 'boolean'
        ? writeLiteral(written)
        : parameter.default;
  return { name: parameter.name, kind, help: parameter.help, initial };
}

/** What a field's text stands for, or what is wrong with it and what to write instead. */
export function typed(field: ParameterField, text: string, trans: TranslationBundle): Typed {
  if (field.kind === 'str') {
    return good(text);
  }
  const value = literalOrNull(text);
  switch (field.kind) {
    case 'int':
      return typeof value === 'number' && Number.isInteger(value) && !/[.eE]/.test(text)
        ? good(value)
        : bad(trans.__('%1 must be a whole number, such as 10.', field.name));
    case 'float':
      return typeof value === 'number' && Number.isFinite(value)
        ? good(value)
        : bad(trans.__('%1 must be a number, such as 0.001.', field.name));
    case 'bool':
      return typeof value === 'boolean'
        ? good(value)
        : bad(trans.__('%1 must be True or False.', field.name));
    case 'list':
      return Array.isArray(value)
        ? good(value)
        : bad(trans.__('%1 must be a list, such as [1, 2, 3].', field.name));
    case 'dict':
      return value !== null && typeof value === 'object' && !Array.isArray(value)
        ? good(value)
        : bad(trans.__('%1 must be a dictionary, such as {"depth": 3}.', field.name));
    case 'any':
      return value !== null || text.trim() === 'None'
        ? good(value)
        : bad(
            trans.__(
              '%1 must be a value as Python writes it, such as 3, "text" or [1, 2].',
              field.name
            )
          );
  }
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

function literalOrNull(text: string): Value {
  try {
    return readLiteral(text.trim());
  } catch {
    return null;
  }
}

function good(value: Value): Typed {
  return { value, problem: null };
}

function bad(problem: string): Typed {
  return { value: null, problem };
}
