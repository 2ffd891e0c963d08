/** The service's own check of a text that is being written, asked when nobody types. */
import { useEffect, useState } from 'react';

import { messageOf } from '../../api/client';
import { useConsole } from '../../model/console';
import { useStore } from '../../model/store';
import type { Checked, Quotas } from './model';

const QUIET_MS = 400;

export interface CheckedNow {
  /** What is known of a text; perhaps of the one before. */
  readonly last: Checked | null;
  /** Whether it is of the text as it is now. */
  readonly isNow: boolean;
  /** Why it cannot be asked; `null`: it can. */
  readonly problem: string | null;
}

export function useCheck(quotas: Quotas, text: string): CheckedNow {
  const { client } = useConsole();
  const last = useStore(quotas.checked);
  const [problem, setProblem] = useState<string | null>(null);
  const isNow = last?.text === text;
  useEffect(() => {
    if (quotas.checked.value?.text === text) {
      return;
    }
    let over = false;
    const timer = window.setTimeout(() => {
      client.post('/quota/check', { text }).then(
        check => {
          if (!over) {
            setProblem(null);
            quotas.checked.set({ text, check });
          }
        },
        (error: unknown) => {
          if (!over) {
            setProblem(messageOf(error));
          }
        }
      );
    }, QUIET_MS);
    return () => {
      over = true;
      window.clearTimeout(timer);
    };
  }, [client, quotas, text]);
  return { last, isNow, problem };
}
