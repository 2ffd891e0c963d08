/** Training jobs in Lab: among its running things, and their logs in tabs. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IRunningSessionManagers } from '@jupyterlab/running';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { find } from '@lumino/algorithm';

import { logTab } from '../jobs/logTab';
import { RunningJobs } from '../jobs/running';
import { IShareModel, type ShareModel } from '../model/share';
import { pageContextOf } from './pageContext';
import { Commands, DOMAIN } from './words';

export const jobsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'sublet-lab:jobs',
  description: 'Shows your training jobs among the running things.',
  autoStart: true,
  requires: [IShareModel],
  optional: [IRunningSessionManagers, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    model: ShareModel,
    running: IRunningSessionManagers | null,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    app.commands.addCommand(Commands.followLog, {
      label: trans.__('Follow the Log of a Training Job'),
      isVisible: () => model.isPresent,
      execute: args => {
        const job = model.jobs.find(each => each.job_id === args.job_id);
        if (job === undefined) {
          return;
        }
        const id = `sublet-log-${job.job_id}`;
        if (find(app.shell.widgets('main'), widget => widget.id === id) === undefined) {
          app.shell.add(logTab(model.api, job, trans), 'main');
        }
        app.shell.activateById(id);
      }
    });
    void model.presence.then(isPresent => {
      if (isPresent) {
        running?.add(new RunningJobs(pageContextOf(app, model, trans)));
      }
    });
  }
};
