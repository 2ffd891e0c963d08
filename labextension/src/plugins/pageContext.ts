/** What the parts of the page can do, done by Lab's commands. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { ShareModel } from '../model/share';
import type { PageContext } from '../controls/pageContext';
import { Commands } from './words';

const TOLD_FOR_MS = 8000;

export function pageContextOf(
  app: JupyterFrontEnd,
  model: ShareModel,
  trans: TranslationBundle
): PageContext {
  const run = (command: string, args: Record<string, string> = {}): void => {
    if (app.commands.hasCommand(command)) {
      void app.commands.execute(command, args);
    }
  };
  return {
    trans,
    model,
    actions: {
      openNotebook: path => {
        run('docmanager:open', { path });
      },
      followLog: job => {
        run(Commands.followLog, { job_id: job.job_id });
      },
      promote: () => {
        run(Commands.promote);
      },
      tell: (text, outcome) => {
        if (outcome === 'done') {
          Notification.success(text, { autoClose: TOLD_FOR_MS });
        } else {
          Notification.error(text);
        }
      }
    }
  };
}
