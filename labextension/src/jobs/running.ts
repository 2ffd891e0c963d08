/** My training jobs among Lab's running things: terminals, kernels, and these. */
import type { IRunningSessions } from '@jupyterlab/running';
import { closeIcon, type LabIcon } from '@jupyterlab/ui-components';
import { Signal } from '@lumino/signaling';

import { ApiError } from '../api/client';
import { hasEnded, underWay, type Job } from '../api/jobs';
import type { PageContext } from '../controls/pageContext';
import { jobIcon } from '../controls/icons';
import { isStopped, progressOf, stateLine, stateWord } from './words';

/** Ended jobs stay in sight for a while: one looks here for how they ended. */
const ENDED_SHOWN_FOR_MS = 24 * 3600 * 1000;
const MOST_ENDED = 10;
const CONFLICT = 409;

export class RunningJobs implements IRunningSessions.IManager {
  constructor(private readonly page: PageContext) {
    this.name = page.trans.__('Training jobs');
    this.shutdownLabel = page.trans.__('Cancel');
    this.shutdownAllLabel = page.trans.__('Cancel all');
    this.shutdownAllConfirmationText = page.trans.__(
      'Cancel all your training jobs? What they have computed is saved.'
    );
    page.model.changed.connect(this.onChanged, this);
    // Jobs that ended before this page was opened belong here too.
    page.model.askJobs();
  }

  readonly name: string;
  readonly shutdownLabel: string;
  readonly shutdownAllLabel: string;
  readonly shutdownAllConfirmationText: string;
  readonly shutdownItemIcon: LabIcon = closeIcon;
  readonly runningChanged = new Signal<this, void>(this);

  running(): IRunningSessions.IRunningItem[] {
    const now = Date.now();
    const jobs = this.page.model.jobs;
    const ended = jobs
      .filter(job => hasEnded(job) && now - (job.ended_at?.getTime() ?? 0) < ENDED_SHOWN_FOR_MS)
      .slice(0, MOST_ENDED);
    return [...underWay(jobs), ...ended].map(job => this.item(job));
  }

  shutdownAll(): void {
    void this.cancel(underWay(this.page.model.jobs));
  }

  refreshRunning(): void {
    this.page.model.askJobs();
  }

  private item(job: Job): IRunningSessions.IRunningItem {
    const { trans, actions } = this.page;
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
          actions.openNotebook(output);
        } else {
          actions.followLog(job);
        }
      },
      ...(hasEnded(job)
        ? {}
        : {
            shutdown: () => {
              void this.cancel([job]);
            }
          })
    };
  }

  private async cancel(jobs: Job[]): Promise<void> {
    const { trans, model, actions } = this.page;
    const told = await Promise.all(jobs.map(job => this.isTold(job)));
    const names = jobs.filter((_, place) => told[place]).map(job => job.name);
    if (names.length > 0) {
      const words = trans._n(
        '%2 is told to stop; what it has computed is saved.',
        '%1 jobs are told to stop; what they have computed is saved.',
        names.length,
        names[0]
      );
      actions.tell(words, 'done');
    }
    model.refresh();
  }

  /** Tell a job to stop; says it where it could not be told. */
  private async isTold(job: Job): Promise<boolean> {
    const { trans, model, actions } = this.page;
    try {
      await model.api.cancel(job.job_id);
      return true;
    } catch (error) {
      if (!hasEndedAlready(error)) {
        const why = error instanceof Error ? error.message : String(error);
        actions.tell(trans.__('%1 was not cancelled: %2', job.name, why), 'failed');
      }
      return false;
    }
  }

  /** Lab draws the whole list anew: only where something in it is another. */
  private onChanged(): void {
    const shown = JSON.stringify(this.page.model.jobs);
    if (shown !== this.shown) {
      this.shown = shown;
      this.runningChanged.emit();
    }
  }

  private shown = '';
}

/** The list that is asked for next says how it ended. */
function hasEndedAlready(error: unknown): boolean {
  return error instanceof ApiError && error.status === CONFLICT;
}
