/** From an open notebook, or a file in the browser, to a training job. */
import { showErrorMessage } from '@jupyterlab/apputils';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { Contents } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';

import type { Job } from '../api/jobs';
import { payersIn } from '../api/quota';
import type { PageContext } from '../controls/pageContext';
import { LateRefusalError, PromoteDialog } from './dialog';
import { subjectOf } from './form';

/** Something stands in the way; says what to do, for the user. */
export class CannotPromoteError extends Error {}

export class Promotion {
  constructor(
    private readonly page: PageContext,
    private readonly contents: Contents.IManager
  ) {}

  /** Emitted when a notebook begins or ceases to be promoted. */
  readonly pendingChanged = new Signal<this, void>(this);

  /** Whether this notebook is being promoted: from the click until its job is taken, or there is none. */
  isPending(path: string): boolean {
    return this.pending.has(this.contents.localPath(path));
  }

  /** Save the open notebook first: a job runs what is on disk. */
  async ofContext(context: DocumentRegistry.Context): Promise<Job | null> {
    return await this.once(context.path, async () => {
      await this.save(context);
      return await this.ask(context.path);
    });
  }

  /** A notebook that is not open. */
  async ofPath(path: string): Promise<Job | null> {
    return await this.once(path, () => this.ask(path));
  }

  /** A second click on the same notebook does nothing: one dialog, one job. */
  private async once(path: string, deed: () => Promise<Job | null>): Promise<Job | null> {
    const key = this.contents.localPath(path);
    if (this.pending.has(key)) {
      return null;
    }
    this.pending.add(key);
    this.pendingChanged.emit();
    try {
      return await this.told(deed);
    } finally {
      this.pending.delete(key);
      this.pendingChanged.emit();
    }
  }

  private async save(context: DocumentRegistry.Context): Promise<void> {
    const { trans } = this.page;
    if (context.model.readOnly) {
      // What cannot be changed needs no saving, and can be run as it is.
      return;
    }
    if (!context.model.dirty && context.contentsModel !== null) {
      return;
    }
    let why = '';
    try {
      await context.save();
    } catch (error) {
      why = error instanceof Error ? error.message : String(error);
    }
    if (context.model.dirty) {
      throw new CannotPromoteError(
        trans.__(
          'The notebook could not be saved, so a job would run an older one. Save it under a name of its own (File, Save Notebook As), then promote it. %1',
          why
        )
      );
    }
  }

  private async ask(path: string): Promise<Job | null> {
    const { trans, model } = this.page;
    const drive = this.contents.driveName(path);
    if (drive !== '' && drive !== 'RTC') {
      throw new CannotPromoteError(
        trans.__(
          'This notebook is on the drive “%1”, where jobs cannot read it. Copy it to your home folder and promote the copy.',
          drive
        )
      );
    }
    const inspection = await model.api.inspect(this.contents.localPath(path));
    const slice_mib = model.local?.value.cap_mib ?? model.slice?.lease.memory_mib ?? null;
    const card_mib = model.local?.value.gpu_memory_mib ?? model.slice?.lease.gpu_memory_mib ?? null;
    const subject = subjectOf(
      inspection,
      slice_mib,
      card_mib,
      payersIn(model.share?.value.quota ?? null)
    );
    return await new PromoteDialog(model.api, trans, subject).outcome();
  }

  private async told(deed: () => Promise<Job | null>): Promise<Job | null> {
    const { trans, model, actions } = this.page;
    try {
      const job = await deed();
      if (job !== null) {
        model.refresh();
      }
      return job;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (error instanceof LateRefusalError) {
        // Its owner is at something else by now: no dialog comes between.
        actions.tell(text, 'failed');
        return null;
      }
      await showErrorMessage(trans.__('This notebook cannot be promoted'), text);
      return null;
    }
  }

  private readonly pending = new Set<string>();
}
