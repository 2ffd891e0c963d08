/**
 * The promote dialog: it closes once the job is taken, and stays open with the reason else.
 *
 * While the job is being submitted nothing can be changed and nothing closes the dialog: who
 * cancelled then would have a job all the same. Where that takes long the dialog may be closed, with
 * all of Lab behind it, and what comes of the job is told later.
 */
import { Dialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';

import { messageOf, type SubletApi } from '../api/client';
import type { Job } from '../api/jobs';
import { STEADY_MS } from '../controls/button';
import { PromoteBody } from './body';
import type { Subject } from './form';

/** Lab's buttons, by their place. */
const LEAVE = 0;
const START = 1;

/** So long a submission usually takes at most: who waits longer may leave. */
const LEAVE_AFTER_MS = 10_000;

/** The dialog was closed while its job was on its way, and there is no job. */
export class LateRefusalError extends Error {}

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
      // Closed meanwhile, or disposed of by Lab: of a job that was on its way its owner hears still.
      return await this.lateOutcome();
    }
  }

  private async lateOutcome(): Promise<Job | null> {
    const { submission, form } = this.promoteBody;
    try {
      return await submission;
    } catch (error) {
      const said = this.trans.__('Training job %1: %2', form.name.trim(), messageOf(error));
      throw new LateRefusalError(said);
    }
  }

  override dispose(): void {
    window.clearTimeout(this.leaveTimer);
    super.dispose();
  }

  /** Lab takes Enter for the default button, wherever it is pressed: what has a use for it keeps it. */
  override handleEvent(event: Event): void {
    const isEnter = event instanceof KeyboardEvent && event.key === 'Enter';
    if (isEnter && keepsEnter(document.activeElement)) {
      return;
    }
    if (event.type === 'focus' && this.promoteBody.mayLeave) {
      this.keepFocus(event);
    } else {
      super.handleEvent(event);
    }
  }

  /** Lab calls this on a click and on Enter: the job is submitted before the dialog goes. */
  override resolve(index: number = START): void {
    if (this.promoteBody.isSubmitting) {
      if (index !== START) {
        this.leave();
      }
      return;
    }
    if (this.hasJustChanged) {
      return;
    }
    if (index !== START) {
      super.resolve(index);
      return;
    }
    const taken = this.promoteBody.submit();
    this.followSubmission();
    this.leaveTimer = window.setTimeout(() => {
      this.offerToLeave();
    }, LEAVE_AFTER_MS);
    void taken.then(isTaken => {
      if (this.isDisposed) {
        return;
      }
      this.followSubmission();
      if (isTaken) {
        super.resolve(index);
      } else {
        window.clearTimeout(this.leaveTimer);
      }
    });
  }

  override reject(): void {
    if (this.promoteBody.isSubmitting) {
      this.leave();
    } else if (!this.hasJustChanged) {
      super.reject();
    }
  }

  protected override onCloseRequest(message: Message): void {
    if (this.promoteBody.isSubmitting) {
      this.leave();
    } else if (!this.hasJustChanged) {
      super.onCloseRequest(message);
    }
  }

  private offerToLeave(): void {
    this.promoteBody.offerToLeave();
    this.followSubmission();
    // All else is disabled and holds no focus, and without it Escape would not be heard.
    this.button(LEAVE)?.focus();
  }

  private leave(): void {
    if (this.promoteBody.mayLeave && !this.hasJustChanged) {
      this.dispose();
    }
  }

  /** Lab would give it to the first field, which is disabled meanwhile. */
  private keepFocus(event: Event): void {
    if (!(event.target instanceof Node && this.node.contains(event.target))) {
      event.stopPropagation();
      this.button(LEAVE)?.focus();
    }
  }

  /** To leave and to cancel are one button: a press may still be meant for the other. */
  private get hasJustChanged(): boolean {
    return performance.now() - this.changedAt < STEADY_MS;
  }

  /** The buttons are Lab's own: they are no part of the body. */
  private followSubmission(): void {
    const { trans } = this;
    const { isSubmitting, mayLeave, refusal } = this.promoteBody;
    const leaving = mayLeave ? trans.__('Close, and tell me later') : trans.__('Cancel');
    this.setButton(LEAVE, leaving, isSubmitting && !mayLeave);
    this.setButton(START, isSubmitting ? trans.__('Submitting…') : startLabel(trans), isSubmitting);
    if (this.couldLeave !== mayLeave) {
      this.couldLeave = mayLeave;
      this.changedAt = performance.now();
    }
    if (refusal !== null) {
      this.button(START)?.focus();
    }
  }

  private setButton(index: number, text: string, disabled: boolean): void {
    const button = this.button(index);
    const label = button?.querySelector('.jp-Dialog-buttonLabel');
    if (button === undefined || label == null) {
      return;
    }
    button.disabled = disabled;
    label.textContent = text;
    // Lab names the button by it.
    label.setAttribute('aria-label', text);
  }

  private button(index: number): HTMLButtonElement | undefined {
    return [...this.node.querySelectorAll<HTMLButtonElement>('.jp-Dialog-button')][index];
  }

  private readonly trans: TranslationBundle;
  private readonly promoteBody: PromoteBody;
  private leaveTimer: number | undefined;
  private couldLeave = false;
  private changedAt = -Infinity;
}

const KEEPS_ENTER = 'summary, select, textarea, input[type="radio"], input[type="checkbox"]';

function keepsEnter(focused: Element | null): boolean {
  return focused?.matches(KEEPS_ENTER) === true;
}

function startLabel(trans: TranslationBundle): string {
  return trans.__('Start training job');
}
