/** What is asked once for each question, and stays in sight until the next one is answered. */
import { useEffect, useState } from 'react';

import { messageOf } from '../api/client';
import type { Asked } from './asked';

export interface Answer<T> extends Asked<T> {
  /** Whether what is shown answers a question before. */
  readonly asking: boolean;
}

/** `ask` is another function where the question is another; `null`: nothing is asked. */
export function useAnswer<T>(ask: (() => Promise<T>) | null): Answer<T> {
  const [answer, setAnswer] = useState<Answer<T>>({ value: null, problem: null, asking: true });
  useEffect(() => {
    if (ask === null) {
      return;
    }
    let over = false;
    setAnswer(before => ({ ...before, asking: true }));
    ask().then(
      value => {
        if (!over) {
          setAnswer({ value, problem: null, asking: false });
        }
      },
      (error: unknown) => {
        if (!over) {
          setAnswer({ value: null, problem: messageOf(error), asking: false });
        }
      }
    );
    return () => {
      over = true;
    };
  }, [ask]);
  return answer;
}
