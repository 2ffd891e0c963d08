/** Amounts as they are typed: checked as they are sent, whole and within the service's limits. */
import { gibNumber } from './quantities';

const MIB_PER_GIB = 1024;
const WHOLE_GPU_MILLI = 1000;

/**
 * What is typed as GiB, in MiB; `NaN` where it is no number.
 *
 * An amount is shown with one decimal: where the text is what is shown for one of these amounts,
 * that very amount is meant, for 24564 MiB is shown as `24`, and 24 GiB are more than the card has.
 */
export function mibOf(text: string, known: readonly (number | null)[]): number {
  const typed = numberOf(text);
  const meant = known.find(mib => mib !== null && mib > 0 && Number(gibNumber(mib)) === typed);
  return meant ?? Math.round(typed * MIB_PER_GIB);
}

/** Whether there is such an amount of memory. */
export function isMemory(mib: number): boolean {
  return Number.isSafeInteger(mib) && mib >= 1;
}

/** What is typed as percent of a GPU, in thousandths of it. */
export function milliOf(percent: string): number {
  return Math.round(numberOf(percent) * 10);
}

/** Whether there is such a share of a GPU. */
export function isCompute(milli: number): boolean {
  return milli >= 1 && milli <= WHOLE_GPU_MILLI;
}

/** `NaN` where nothing, or no number, is typed. */
export function numberOf(text: string): number {
  return text.trim() === '' ? NaN : Number(text);
}
