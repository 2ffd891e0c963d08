/** What the promote dialog holds: its form, and the submission that comes of it. */
import type { Dialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { SubletApi } from '../api/client';
import type { Job } from '../api/jobs';
import { firstForm, problemsOf, requestOf, type Form, type Subject } from './form';
import { PromoteForm } from './PromoteForm';

export class PromoteBody extends ReactWidget implements Dialog.IBodyWidget<Job | null> {
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
  isSubmitting = false;
  /** The job is on its way for so long that the dialog may be closed. */
  mayLeave = false;
  /** What is on its way: the job, or why it is refused. */
  submission: Promise<Job> | null = null;

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
    this.isSubmitting = true;
    this.refusal = null;
    this.update();
    try {
      this.submission = this.api.submit(requestOf(this.form, this.subject, this.trans));
      this.job = await this.submission;
      return true;
    } catch (error) {
      if (!this.isDisposed) {
        this.isSubmitting = false;
        this.mayLeave = false;
        this.submission = null;
        this.refuse(messageOf(error));
      }
      return false;
    }
  }

  offerToLeave(): void {
    this.mayLeave = this.isSubmitting;
    this.update();
  }

  protected override render(): React.JSX.Element {
    return (
      <PromoteForm
        api={this.api}
        trans={this.trans}
        subject={this.subject}
        form={this.form}
        refusal={this.refusal}
        submitting={this.isSubmitting}
        mayLeave={this.mayLeave}
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

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
