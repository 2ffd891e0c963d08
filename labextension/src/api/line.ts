/** My servers that wait in line for a slice: `GET queue`. */
import type { Reader } from './reader';

export interface LineWait {
  /** Empty for the default server. */
  server: string;
  /** The size as people know it; empty where none was named. */
  title: string;
  /** 1 for the next. */
  place: number;
  /** When there will be room and from what that follows, or why it is not known: a clause. */
  expected_why: string;
  /** The groups whose slices are in the way. */
  waits_for: string[];
  /** All of it in sentences. */
  message: string;
  /** When it leaves the line, if its turn has not come. */
  until: Date | null;
}

export function readLineWait(r: Reader): LineWait {
  return {
    server: r.text('server'),
    title: r.text('title'),
    place: r.number('place', 1),
    expected_why: r.text('expected_why'),
    waits_for: r.texts('waits_for'),
    message: r.text('message'),
    until: r.maybeTime('until')
  };
}
