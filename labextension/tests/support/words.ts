/** The translator without any language: what is written in the sources. */
import { nullTranslator } from '@jupyterlab/translation';

export const trans = nullTranslator.load('sublet-lab');

export const NOW = new Date('2026-11-24T12:00:00Z');

export function before(seconds: number): Date {
  return new Date(NOW.getTime() - seconds * 1000);
}
