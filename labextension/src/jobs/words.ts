/** A job's state in words, the same in the panel, the Running tab and the log. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { limit, moment, secondsBetween, sentence, span } from '@sublet-lab/format/quantities';

import { hasEnded, type Job } from '../api/jobs';

/** One or two words, told beside the icon. */
export function stateWord(job: Job, trans: TranslationBundle): string {
  switch (job.state) {
    case 'waiting':
      return trans.__('waiting');
    case 'placed':
      return trans.__('starting');
    case 'running':
      return runningWord(job, trans);
    case 'done':
      return trans.__('done');
    case 'failed':
      return trans.__('failed');
    case 'cancelled':
      return trans.__('cancelled');
  }
}

function runningWord(job: Job, trans: TranslationBundle): string {
  if (!isStopped(job)) {
    return trans.__('running');
  }
  return isWaitingOnGpu(job) ? trans.__('waits') : trans.__('suspended');
}

/** Whether it has begun and does not compute at the moment, for an owner's cell or another reason. */
export function isStopped(job: Job): boolean {
  const waits = job.slice?.report?.waits === true;
  const still = job.suspended_for !== null || job.stopped !== null;
  return job.state === 'running' && (still || waits);
}

/** Its memory is where it was: it waits, say, for others to leave. */
function isWaitingOnGpu(job: Job): boolean {
  return job.suspended_for === null && job.slice?.report?.state === 'resident';
}

/** What is to be said of it, in one line. */
export function stateLine(job: Job, trans: TranslationBundle, now: Date): string {
  switch (job.state) {
    case 'waiting':
      return waitingLine(job, trans, now);
    case 'placed':
      return sentence(job.reason) || trans.__('Room is being made for it.');
    case 'running':
      return runningLine(job, trans);
    case 'done':
      return tookLine(job, trans);
    case 'failed':
      return failureLine(job, trans);
    case 'cancelled':
      return sentence(job.reason) || trans.__('It was cancelled.');
  }
}

function waitingLine(job: Job, trans: TranslationBundle, now: Date): string {
  const parts: string[] = [];
  if (job.place !== null) {
    parts.push(trans.__('Place %1 in the queue.', job.place));
  }
  if (job.expected_start !== null && job.expected_start > now) {
    const wait = span(trans, secondsBetween(now, job.expected_start));
    parts.push(trans.__('Expected to start in about %1.', wait));
  }
  if (job.reason !== '') {
    parts.push(sentence(job.reason));
  }
  return parts.join(' ');
}

function runningLine(job: Job, trans: TranslationBundle): string {
  const parts: string[] = [];
  if (job.suspended_for !== null) {
    parts.push(trans.__('Suspended %1; it goes on by itself.', job.suspended_for));
  } else if (job.reason !== '') {
    parts.push(whyStopped(job, trans));
  }
  if (job.cells_total !== null && job.cells_total > 0) {
    const cell = job.current_cell ?? Math.min(job.cells_done + 1, job.cells_total);
    parts.push(trans.__('Cell %1 of %2.', cell, job.cells_total));
  }
  if (job.failed_attempts > 0) {
    parts.push(trans.__('Attempt %1 of %2.', job.failed_attempts + 1, job.retries + 1));
  }
  if (job.attempts > job.failed_attempts + 1) {
    parts.push(trans.__('It was begun anew, as its room was taken.'));
  }
  return parts.join(' ');
}

function whyStopped(job: Job, trans: TranslationBundle): string {
  if (!isStopped(job)) {
    return sentence(job.reason);
  }
  const why = job.reason.replace(/\.$/, '');
  return isWaitingOnGpu(job)
    ? trans.__('Waits: %1; it goes on by itself.', why)
    : trans.__('Suspended: %1; it goes on by itself.', why);
}

function tookLine(job: Job, trans: TranslationBundle): string {
  if (job.started_at === null || job.ended_at === null) {
    return '';
  }
  return trans.__('It took %1.', span(trans, secondsBetween(job.started_at, job.ended_at)));
}

function failureLine(job: Job, trans: TranslationBundle): string {
  const failure = job.failure;
  if (failure === null) {
    return sentence(job.reason);
  }
  const what = failure.message === '' ? failure.name : `${failure.name}: ${failure.message}`;
  return failure.cell === null || failure.cell === 0
    ? what
    : trans.__('Cell %1: %2', failure.cell, what);
}

/** When it is stopped, wherever it is by then; empty where it may go on or has ended. */
export function limitLine(job: Job, trans: TranslationBundle, now: Date): string {
  if (job.max_run_s === null || hasEnded(job)) {
    return '';
  }
  const length = limit(trans, job.max_run_s);
  if (job.started_at === null) {
    return trans.__('It will be stopped after %1, pauses not counted.', length);
  }
  const end = new Date(job.started_at.getTime() + 1000 * (job.max_run_s + job.stood_s));
  return trans.__(
    'It is stopped after %1, pauses not counted: %2 at the earliest.',
    length,
    moment(end, now)
  );
}

/** How far it has come, between 0 and 1; `null` where it is not known. */
export function progressOf(job: Job): number | null {
  if (job.progress !== null) {
    return job.progress;
  }
  return job.cells_total === null || job.cells_total === 0
    ? null
    : job.cells_done / job.cells_total;
}
