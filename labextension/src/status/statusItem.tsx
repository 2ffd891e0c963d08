/** The status bar's item: `GPU 10 of 40 GiB`, how things stand, and a click to the panel. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { clock, heldOfCap, inLocalTime, sentence } from '@sublet-lab/format/quantities';
import * as React from 'react';

import type { ShareModel } from '../model/share';
import { situationOf, type Situation } from '../model/situation';
import { ProgressBar } from '../controls/bar';
import { Sign, useModel } from '../controls/pageContext';
import { standingIcon, warningIcon } from '../controls/icons';

export class StatusItem extends ReactWidget {
  constructor(
    private readonly model: ShareModel,
    private readonly trans: TranslationBundle,
    private readonly open: () => void
  ) {
    super();
    this.addClass('sublet-status');
    this.node.dataset.sublet = 'status';
  }

  protected override render(): React.JSX.Element {
    return <Status model={this.model} trans={this.trans} open={this.open} />;
  }
}

function Status(props: {
  model: ShareModel;
  trans: TranslationBundle;
  open: () => void;
}): React.JSX.Element | null {
  const { model, trans } = props;
  useModel(model);
  const now = new Date();
  const situation = situationOf(model, trans, now);
  if (situation === null) {
    return null;
  }
  const amount = trans.__('GPU %1', heldOfCap(trans, situation));
  const stands = situation.standing;
  const told = model.announcements(now);
  const details = [
    ...detailsOf(situation, trans, now),
    ...told.map(each => (each.from_admin ? each.text : inLocalTime(each.text, now)))
  ];
  return (
    <button
      type="button"
      className={
        situation.seenAt === null ? 'sublet-status-button' : 'sublet-status-button sublet-stale'
      }
      onClick={props.open}
      title={details.join('\n')}
      aria-label={[amount, stands.word, ...details].map(each => each.replace(/\.$/, '')).join('. ')}
      data-sublet="status-button"
      data-sublet-standing={stands.code}
      data-sublet-near-cap={situation.nearCap}
      data-sublet-over-cap={situation.overCap}
    >
      <Sign icon={standingIcon(stands.code)}>
        {amount}
        <span className="sublet-word"> · {stands.word}</span>
      </Sign>
      {situation.nearCap && (
        <Sign icon={warningIcon} className="sublet-warn">
          {situation.overCap ? trans.__('over its cap') : trans.__('near its cap')}
        </Sign>
      )}
      {told.length > 0 && (
        <span data-sublet="status-announcement">
          <Sign icon={warningIcon} className="sublet-warn">
            {told.some(each => each.from_admin)
              ? trans.__('word from an admin')
              : trans.__('word from Sublet')}
          </Sign>
        </span>
      )}
      {situation.progress !== null && (
        <span className="sublet-status-progress" data-sublet="status-progress">
          <ProgressBar
            label={stands.word}
            text={situation.progress.text}
            fraction={situation.progress.fraction}
          />
          <span>{situation.progress.text}</span>
        </span>
      )}
      {situation.progress === null && situation.quiet !== null && (
        <span className="sublet-quiet" data-sublet="status-lent">
          {situation.quiet}
        </span>
      )}
    </button>
  );
}

function detailsOf(situation: Situation, trans: TranslationBundle, now: Date): string[] {
  const details = [situation.standing.meaning];
  const ofCap = situation.capWarning;
  if (ofCap !== null) {
    details.push(`${trans.__('Your slice %1.', ofCap.clause)} ${inLocalTime(ofCap.advice, now)}`);
  }
  if (situation.computeKept !== null) {
    details.push(trans.__('Compute share: %1.', situation.computeKept.words));
  }
  if (situation.progress !== null) {
    details.push(situation.progress.text);
  }
  if (situation.quiet !== null) {
    details.push(situation.quiet);
  }
  if (situation.seenAt !== null) {
    details.push(trans.__('Last seen at %1.', clock(situation.seenAt, true)));
  }
  if (situation.problem !== null) {
    details.push(sentence(situation.problem));
  }
  return details;
}
