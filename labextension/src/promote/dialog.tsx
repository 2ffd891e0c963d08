/** The promote dialog: it closes once the job is taken, and stays open with the reason else. */
import { Dialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { SubletApi } from '../api/client';
import type { Job } from '../api/jobs';
import { firstForm, problemsOf, requestOf, type Form, type Subject } from './form';
import { PromoteForm } from './PromoteForm';

const START = 1;

class PromoteBody extends ReactWidget implements Dialog.IBodyWidget<Job | null> {
  constructor(
    readonly api: SubletApi,
    readonly trans: TranslationBundle,
    readonly subject: Subject
  ) {
    super();
    this.form = firstForm(subject);
    this.addClass('sublet-promote-body');
  }

  form: Form;
  refusal: string | null = null;
  job: Job | null = null;

  getValue(): Job | null {
    return this.job;
  }

  /** Whether the job was taken. */
  async submit(): Promise<boolean> {
    const problems = problemsOf(this.form, this.subject, this.trans);
    if (Object.keys(problems).length > 0 || this.subject.inspection.problems.length > 0) {
      this.refuse(this.trans.__('Correct what is marked below, and start it again.'));
      return false;
    }
    try {
      this.job = await this.api.submit(requestOf(this.form, this.subject, this.trans));
      return true;
    } catch (error) {
      this.refuse(error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  protected override render(): React.JSX.Element {
    return (
      <PromoteForm
        api={this.api}
        trans={this.trans}
        subject={this.subject}
        form={this.form}
        refusal={this.refusal}
        set={form => {
          this.form = form;
          this.refusal = null;
          this.update();
        }}
      />
    );
  }

  private refuse(why: string): void {
    this.refusal = why;
    this.update();
    this.node.scrollTop = 0;
  }
}

export class PromoteDialog extends Dialog<Job | null> {
  constructor(api: SubletApi, trans: TranslationBundle, subject: Subject) {
    const body = new PromoteBody(api, trans, subject);
    super({
      title: trans.__('Promote to training'),
      body,
      buttons: [
        Dialog.cancelButton({ label: trans.__('Cancel') }),
        Dialog.okButton({ label: trans.__('Start training job') })
      ],
      defaultButton: START,
      focusNodeSelector: '.sublet-promote input'
    });
    this.promoteBody = body;
    this.addClass('sublet-promote-dialog');
    this.node.dataset.sublet = 'promote-dialog';
  }

  /** Lab calls this on a click and on Enter: the job is submitted before the dialog goes. */
  override resolve(index: number = START): void {
    if (index !== START) {
      super.resolve(index);
      return;
    }
    if (this.isSubmitting) {
      return;
    }
    this.isSubmitting = true;
    void this.promoteBody.submit().then(taken => {
      this.isSubmitting = false;
      if (taken && !this.isDisposed) {
        super.resolve(index);
      }
    });
  }

  private readonly promoteBody: PromoteBody;
  private isSubmitting = false;
}
