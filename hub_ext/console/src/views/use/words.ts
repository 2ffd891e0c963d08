/** The words for what became of hours, for what was waited for, and for why it was refused. */

import { decimal } from '@sublet-lab/format/quantities';
import type { TranslationBundle } from '@sublet-lab/format/translation';

import type { KindHours } from '../../api/types';
import type { By, Choice, SpanName } from './choice';
import { KINDS, type Kind } from './course';
import { slotWords, type Slot, type Step } from './steps';

export function spanWord(span: SpanName, trans: TranslationBundle): string {
  return span === 'dates'
    ? trans.__('these days')
    : trans._n('the last day', 'the last %1 days', Number(span));
}

export function byWord(by: By, trans: TranslationBundle): string {
  return { group: trans.__('group'), owner: trans.__('user'), type: trans.__('type') }[by];
}

export function stepWord(step: Step, trans: TranslationBundle): string {
  return { hour: trans.__('hour'), day: trans.__('day'), week: trans.__('week') }[step];
}

export function kindWord(kind: keyof KindHours, trans: TranslationBundle): string {
  return {
    held: trans.__('held'),
    used: trans.__('used'),
    idle: trans.__('idle'),
    lent: trans.__('lent'),
    suspended: trans.__('suspended'),
    borrowed: trans.__('borrowed'),
    charged: trans.__('charged'),
    credited: trans.__('credited')
  }[kind];
}

export function kindMeaning(kind: Kind, trans: TranslationBundle): string {
  return {
    used: trans.__('a GPU computed for the slice'),
    idle: trans.__('on its card, and nobody used it'),
    lent: trans.__('idle, and others had its room or compute'),
    suspended: trans.__('off its card, and not lent')
  }[kind];
}

/** The name of a group, an owner or a type: who is in no group has none. */
export function nameWord(by: By, name: string, trans: TranslationBundle): string {
  if (name !== '') {
    return name;
  }
  return by === 'group' ? trans.__('no group') : trans.__('not known');
}

/** Whose hours they are. */
export function whoseWord(choice: Pick<Choice, 'by' | 'of'>, trans: TranslationBundle): string {
  if (choice.of === null) {
    return trans.__('all together');
  }
  const name = nameWord(choice.by, choice.of, trans);
  return choice.by === 'group' && choice.of !== '' ? trans.__('group %1', name) : name;
}

/** All of one step, or of the whole time, in a sentence. */
export function hoursWords(hours: KindHours, trans: TranslationBundle): string {
  const parts = KINDS.map(kind => `${kindWord(kind, trans)} ${decimal(hours[kind])}`).join(', ');
  return [
    trans.__('held %1 h (%2)', decimal(hours.held), parts),
    trans.__('borrowed %1', decimal(hours.borrowed)),
    trans.__('charged %1', decimal(hours.charged)),
    trans.__('credited %1', decimal(hours.credited))
  ].join('; ');
}

export function pointWords(
  step: Step,
  slot: Slot & { readonly hours: KindHours },
  trans: TranslationBundle
): string {
  return `${slotWords(step, slot)}: ${hoursWords(slot.hours, trans)}`;
}

export function waitedWord(kind: string, trans: TranslationBundle): string {
  const words: Readonly<Record<string, string>> = {
    notebook: trans.__('notebooks in line'),
    job: trans.__('jobs, to begin'),
    cell: trans.__('cells, to run')
  };
  return words[kind] ?? kind;
}

/** Why something was refused; a newer service may have other reasons. */
export function refusalWord(code: string, trans: TranslationBundle): string {
  const words: Readonly<Record<string, string>> = {
    'unknown-pool': trans.__('there is no such pool'),
    'unknown-size': trans.__('there is no such size'),
    'unknown-group': trans.__('there is no such group'),
    'size-not-allowed': trans.__('the size is not for them'),
    'bad-amount': trans.__('no possible amount'),
    'larger-than-gpu': trans.__('larger than a GPU'),
    'user-limit': trans.__('beyond the limit of each'),
    'group-limit': trans.__('beyond the limit of the group'),
    'too-many-slices': trans.__('too many slices'),
    'no-room': trans.__('no room'),
    'no-gpu': trans.__('no such GPU'),
    'gpu-closed': trans.__('the GPU is closed'),
    'bad-notebook': trans.__('not a notebook that can run'),
    'bad-parameters': trans.__('parameters that do not fit'),
    'bad-files': trans.__('files that cannot be taken'),
    'unknown-kernel': trans.__('there is no such kernel'),
    'no-account': trans.__('no account'),
    'no-jobs': trans.__('jobs are not for them'),
    'too-many-jobs': trans.__('too many jobs'),
    'no-disk': trans.__('the disk is full'),
    'priority-not-allowed': trans.__('the priority is not for them'),
    'keep-budget': trans.__('kept long enough already'),
    'budget-spent': trans.__('the budget is spent'),
    'below-held': trans.__('smaller than what is in use'),
    'pod-refused': trans.__('Kubernetes refused the pod')
  };
  return words[code] ?? code;
}
