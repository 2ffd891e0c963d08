/** What the promote dialog holds: its form, and the submission that comes of it. */
import type { Dialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { decisionOf, messageOf, type SubletApi } from '../api/client';
import type { Decision } from '../api/decision';
import type { Job } from '../api/jobs';
import {
  firstForm,
  problemsOf,
  requestOf,
  unreadOf,
  type Form,
  type Problems,
  type Subject
} from './form';
import { PromoteForm, type Refusal } from './PromoteForm';
import { TypedTexts } from './readings';

export class PromoteBody extends ReactWidget implements Dialog.IBodyWidget<Job | null> {
  constructor(
    readonly api: SubletApi,
    readonly trans: TranslationBundle,
    readonly subject: Subject
  ) {
    super();
    this.form = firstForm(subject);
    this.texts = new TypedTexts(api, () => {
      if (!this.isDisposed) {
        this.update();
      }
    });
    this.addClass('sublet-promote-body');
  }

  form: Form;
  refusal: Refusal | null = null;
  job: Job | null = null;
  isSubmitting = false;
  /** The job is on its way for so long that the dialog may be closed. */
  mayLeave = false;
  /** What is on its way: the job, or why it is refused. */
  submission: Promise<Job> | null = null;

  getValue(): Job | null {
    return this.job;
  }

  override dispose(): void {
    this.texts.stop();
    super.dispose();
  }

  /** Whether the job was taken. */
  async submit(): Promise<boolean> {
    const { form, subject, trans } = this;
    const { readings } = this.texts;
    const unread = unreadOf(form, subject, readings);
    if (unread.length > 0 && !(await this.readNow(unread))) {
      return false;
    }
    const isWrong = Object.keys(problemsOf(form, subject, readings, trans)).length > 0;
    const request = isWrong ? null : requestOf(form, subject, readings, trans);
    if (request === null || subject.inspection.problems.length > 0) {
      this.isSubmitting = false;
      this.refuse(trans.__('Correct what is marked below, and start it again.'));
      return false;
    }
    this.isSubmitting = true;
    this.refusal = null;
    this.update();
    try {
      this.submission = this.api.submit(request);
      this.job = await this.submission;
      return true;
    } catch (error) {
      if (!this.isDisposed) {
        this.isSubmitting = false;
        this.mayLeave = false;
        this.submission = null;
        this.refuse(messageOf(error), decisionOf(error));
      }
      return false;
    }
  }

  offerToLeave(): void {
    this.mayLeave = this.submission !== null;
    this.update();
  }

  protected override render(): React.JSX.Element {
    const { readings, failure } = this.texts;
    const before = failure === null ? this.problems : {};
    this.problems = problemsOf(this.form, this.subject, readings, this.trans, before);
    return (
      <PromoteForm
        api={this.api}
        trans={this.trans}
        subject={this.subject}
        form={this.form}
        problems={this.problems}
        readings={readings}
        unreadable={failure}
        refusal={this.refusal}
        submitting={this.isSubmitting}
        mayLeave={this.mayLeave}
        set={form => {
          this.form = form;
          this.refusal = null;
          this.texts.readSoon(unreadOf(form, this.subject, readings));
          this.update();
        }}
      />
    );
  }

  private refuse(text: string, decision: Decision | null = null): void {
    this.refusal = { text, decision };
    this.update();
    this.node.scrollTop = 0;
  }

  /** Whether these were read: who starts a job at once has not waited for that. */
  private async readNow(texts: readonly string[]): Promise<boolean> {
    this.isSubmitting = true;
    this.refusal = null;
    this.update();
    try {
      await this.texts.read(texts);
      // A dialog that has gone meanwhile submits nothing.
      return !this.isDisposed;
    } catch (error) {
      this.isSubmitting = false;
      if (!this.isDisposed) {
        this.refuse(messageOf(error));
      }
      return false;
    }
  }

  private readonly texts: TypedTexts;
  /** As they are shown. */
  private problems: Problems = {};
}
