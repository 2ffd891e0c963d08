/** My training jobs among Lab's running things: terminals, kernels, and these. */
import type { IRunningSessions } from '@jupyterlab/running';
import { closeIcon, type LabIcon } from '@jupyterlab/ui-components';
import { Signal } from '@lumino/signaling';

import { hasEnded, underWay, type Job } from '../api/jobs';
import type { Desk } from '../words/desk';
import { jobIcon } from '../words/icons';
import { isStopped, progressOf, stateLine, stateWord } from './words';

/** Ended jobs stay in sight for a while: one looks here for how they ended. */
const ENDED_SHOWN_FOR_MS = 24 * 3600 * 1000;
const MOST_ENDED = 10;

export class RunningJobs implements IRunningSessions.IManager {
  constructor(private readonly desk: Desk) {
    this.name = desk.trans.__('Training jobs');
    this.shutdownLabel = desk.trans.__('Cancel');
    this.shutdownAllLabel = desk.trans.__('Cancel all');
    this.shutdownAllConfirmationText = desk.trans.__(
      'Cancel all your training jobs? What they have computed is saved.'
    );
    desk.model.changed.connect(this.onChanged, this);
    // Jobs that ended before this page was opened belong here too.
    desk.model.askJobs();
  }

  readonly name: string;
  readonly shutdownLabel: string;
  readonly shutdownAllLabel: string;
  readonly shutdownAllConfirmationText: string;
  readonly shutdownItemIcon: LabIcon = closeIcon;
  readonly runningChanged = new Signal<this, void>(this);

  running(): IRunningSessions.IRunningItem[] {
    const now = Date.now();
    const jobs = this.desk.model.jobs;
    const ended = jobs
      .filter(job => hasEnded(job) && now - (job.ended_at?.getTime() ?? 0) < ENDED_SHOWN_FOR_MS)
      .slice(0, MOST_ENDED);
    return [...underWay(jobs), ...ended].map(job => this.item(job));
  }

  shutdownAll(): void {
    for (const job of underWay(this.desk.model.jobs)) {
      this.cancel(job);
    }
  }

  refreshRunning(): void {
    this.desk.model.askJobs();
  }

  private item(job: Job): IRunningSessions.IRunningItem {
    const { trans, deeds } = this.desk;
    const progress = progressOf(job);
    const word = stateWord(job, trans);
    const far =
      job.state === 'running' && progress !== null ? ` ${Math.round(progress * 100)} %` : '';
    const output = job.output_path;
    return {
      className: 'sublet-running-job',
      icon: () => jobIcon(job.state, isStopped(job)),
      label: () => trans.__('%1 · %2', job.name, word + far),
      labelTitle: () => `${job.notebook}\n${stateLine(job, trans, new Date())}`,
      open: () => {
        if (job.state === 'done' && output !== null) {
          deeds.openNotebook(output);
        } else {
          deeds.followLog(job);
        }
      },
      ...(hasEnded(job)
        ? {}
        : {
            shutdown: () => {
              this.cancel(job);
            }
          })
    };
  }

  private cancel(job: Job): void {
    // A job that has just ended cannot be cancelled: the next list says so.
    const again = (): void => {
      this.desk.model.refresh();
    };
    this.desk.model.api.cancel(job.job_id).then(again, again);
  }

  /** Lab draws the whole list anew: only where something in it is another. */
  private onChanged(): void {
    const shown = JSON.stringify(this.desk.model.jobs);
    if (shown !== this.shown) {
      this.shown = shown;
      this.runningChanged.emit();
    }
  }

  private shown = '';
}
