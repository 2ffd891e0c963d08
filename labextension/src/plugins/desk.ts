/** What the parts of the page can do, done by Lab's commands. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { ShareModel } from '../model/share';
import type { Desk } from '../words/desk';
import { Commands } from './words';

export function deskOf(app: JupyterFrontEnd, model: ShareModel, trans: TranslationBundle): Desk {
  const run = (command: string, args: Record<string, string> = {}): void => {
    if (app.commands.hasCommand(command)) {
      void app.commands.execute(command, args);
    }
  };
  return {
    trans,
    model,
    deeds: {
      openNotebook: path => {
        run('docmanager:open', { path });
      },
      followLog: job => {
        run(Commands.followLog, { job_id: job.job_id });
      },
      promote: () => {
        run(Commands.promote);
      }
    }
  };
}
