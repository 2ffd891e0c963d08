/** From an open notebook, or a file in the browser, to a training job. */
import { showErrorMessage } from '@jupyterlab/apputils';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { Contents } from '@jupyterlab/services';

import type { Job } from '../api/jobs';
import type { Desk } from '../words/desk';
import { PromoteDialog } from './dialog';
import { subjectOf } from './form';

/** Something stands in the way; says what to do, for the user. */
export class CannotPromoteError extends Error {}

export class Promotion {
  constructor(
    private readonly desk: Desk,
    private readonly contents: Contents.IManager
  ) {}

  /** Save the open notebook first: a job runs what is on disk. */
  async ofContext(context: DocumentRegistry.Context): Promise<Job | null> {
    return await this.told(async () => {
      await this.save(context);
      return await this.ask(context.path);
    });
  }

  /** A notebook that is not open. */
  async ofPath(path: string): Promise<Job | null> {
    return await this.told(() => this.ask(path));
  }

  private async save(context: DocumentRegistry.Context): Promise<void> {
    const { trans } = this.desk;
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
    const { trans, model } = this.desk;
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
    const dialog = new PromoteDialog(model.api, trans, subjectOf(inspection, slice_mib));
    const result = await dialog.launch();
    return result.button.accept ? result.value : null;
  }

  private async told(deed: () => Promise<Job | null>): Promise<Job | null> {
    const { trans, model } = this.desk;
    try {
      const job = await deed();
      if (job !== null) {
        model.refresh();
      }
      return job;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      await showErrorMessage(trans.__('This notebook cannot be promoted'), text);
      return null;
    }
  }
}
