/** The words for what waits and what is lent; why it waits is said by the service alone. */

import { serverName } from '@sublet-lab/format/quantities';
import type { TranslationBundle } from '@sublet-lab/format/translation';

import type { Loan, Waiting } from '../../api/types';
import type { Tone } from '../../controls/Tag';
import type { LoanSort, Part, Sort } from './filter';

/** What of somebody's waits, in the service's order. */
export const KINDS = ['cell', 'slice', 'notebook', 'job'] as const;

export function kindWord(kind: string, trans: TranslationBundle): string {
  switch (kind) {
    case 'cell':
      return trans.__('cell');
    case 'slice':
      return trans.__('called back');
    case 'notebook':
      return trans.__('notebook in line');
    case 'job':
      return trans.__('job');
    default:
      return kind;
  }
}

/** Of several, as the summary counts them. */
export function kindsWord(kind: string, trans: TranslationBundle): string {
  switch (kind) {
    case 'cell':
      return trans.__('cells');
    case 'slice':
      return trans.__('slices called back');
    case 'notebook':
      return trans.__('notebooks in line');
    case 'job':
      return trans.__('jobs');
    default:
      return kind;
  }
}

export function toneOf(kind: string): Tone {
  return kind === 'cell' || kind === 'slice' ? 'warn' : 'plain';
}

export function codeWord(code: string): string {
  return code.replaceAll('-', ' ');
}

/** Which of its owner's it is. */
export function whatOf(waiting: Waiting, trans: TranslationBundle): string {
  if (waiting.job_id !== null) {
    return waiting.job_name === '' ? waiting.job_id : waiting.job_name;
  }
  return serverName(trans, waiting.server);
}

export function loanWord(loan: Loan, trans: TranslationBundle): string {
  switch (loan.kind) {
    case 'idle-slice':
      return trans.__('of an idle slice');
    case 'guarantee':
      return trans.__('of a guarantee');
    default:
      return loan.kind;
  }
}

export function partWord(part: Part, trans: TranslationBundle): string {
  return {
    waits: trans.__('Who waits'),
    loans: trans.__('Who has whose room')
  }[part];
}

export function sortWord(sort: Sort, trans: TranslationBundle): string {
  return {
    line: trans.__('place in line'),
    longest: trans.__('the longest wait'),
    expected: trans.__('the soonest to go on'),
    owner: trans.__('who waits')
  }[sort];
}

export function loanSortWord(sort: LoanSort, trans: TranslationBundle): string {
  return {
    largest: trans.__('the largest'),
    oldest: trans.__('the oldest'),
    borrower: trans.__('who has it'),
    lender: trans.__('from whom')
  }[sort];
}
