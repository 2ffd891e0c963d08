/**
 * The promote dialog: it closes once the job is taken, and stays open with the reason else.
 *
 * While the job is being submitted nothing can be changed and nothing closes the dialog: who
 * cancelled then would have a job all the same.
 */
import { Dialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
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
  isSubmitting = false;
  /** What is on its way, or was: the job, or why it was refused. */
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
    this.submission = this.api.submit(requestOf(this.form, this.subject, this.trans));
    this.update();
    try {
      this.job = await this.submission;
      return true;
    } catch (error) {
      this.isSubmitting = false;
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
        submitting={this.isSubmitting}
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
        Dialog.okButton({ label: startLabel(trans) })
      ],
      defaultButton: START,
      focusNodeSelector: '.sublet-promote input'
    });
    this.trans = trans;
    this.promoteBody = body;
    this.addClass('sublet-promote-dialog');
    this.node.dataset.sublet = 'promote-dialog';
  }

  /** Show it, and return the job that comes of it, `null` for none. */
  async outcome(): Promise<Job | null> {
    try {
      const { button, value } = await this.launch();
      return button.accept ? value : null;
    } catch (error) {
      if (!this.isDisposed) {
        throw error;
      }
      // Lab has disposed of the dialog: of a job that was on its way its owner hears all the same.
      return await this.promoteBody.submission;
    }
  }

  /** Lab takes Enter for the default button, wherever it is pressed: what has a use for it keeps it. */
  override handleEvent(event: Event): void {
    const isEnter = event instanceof KeyboardEvent && event.key === 'Enter';
    if (!isEnter || !keepsEnter(document.activeElement)) {
      super.handleEvent(event);
    }
  }

  /** Lab calls this on a click and on Enter: the job is submitted before the dialog goes. */
  override resolve(index: number = START): void {
    if (this.promoteBody.isSubmitting) {
      return;
    }
    if (index !== START) {
      super.resolve(index);
      return;
    }
    const taken = this.promoteBody.submit();
    this.followSubmission();
    void taken.then(isTaken => {
      if (this.isDisposed) {
        return;
      }
      this.followSubmission();
      if (isTaken) {
        super.resolve(index);
      }
    });
  }

  override reject(): void {
    if (!this.promoteBody.isSubmitting) {
      super.reject();
    }
  }

  protected override onCloseRequest(message: Message): void {
    if (!this.promoteBody.isSubmitting) {
      super.onCloseRequest(message);
    }
  }

  /** The buttons are Lab's own: they are no part of the body. */
  private followSubmission(): void {
    const { isSubmitting, refusal } = this.promoteBody;
    for (const button of this.node.querySelectorAll<HTMLButtonElement>('.jp-Dialog-button')) {
      button.disabled = isSubmitting;
    }
    const start = this.node.querySelector<HTMLButtonElement>('.jp-Dialog-button.jp-mod-accept');
    const label = start?.querySelector('.jp-Dialog-buttonLabel') ?? start;
    if (label != null) {
      label.textContent = isSubmitting ? this.trans.__('Submitting…') : startLabel(this.trans);
    }
    if (refusal !== null) {
      start?.focus();
    }
  }

  private readonly trans: TranslationBundle;
  private readonly promoteBody: PromoteBody;
}

const KEEPS_ENTER = 'summary, select, textarea, input[type="radio"], input[type="checkbox"]';

function keepsEnter(focused: Element | null): boolean {
  return focused?.matches(KEEPS_ENTER) === true;
}

function startLabel(trans: TranslationBundle): string {
  return trans.__('Start training job');
}
