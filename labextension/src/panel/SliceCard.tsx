/** My slice: how it stands, what it holds, on which GPU, and what cannot be done with it. */
import type { TranslationBundle } from '@jupyterlab/translation';
import {
  clock,
  heldOfCap,
  inLocalTime,
  moment,
  percent,
  sentence
} from '@sublet-lab/format/quantities';
import * as React from 'react';

import type { CapKept } from '../api/kept';
import type { SliceWarning } from '../api/sliceWarnings';
import type { Situation } from '../model/situation';
import { ProgressBar, UseBar, type Part } from '../controls/bar';
import { Sign, type PageContext } from '../controls/pageContext';
import { standingIcon, warningIcon } from '../controls/icons';
import { IdlePart } from './IdlePart';
import { MovingNote } from './MovingNote';
import { RankSign } from './RankSign';
import { SliceActions } from './SliceActions';

interface Facts {
  gpu: string;
  simulated: boolean;
  compute_milli: number;
  utilisation_percent: number | null;
  kept_until: Date | null;
  warnings: SliceWarning[];
  cap_kept: CapKept | null;
  /** The group that pays for it. */
  group: string | null;
  parts: Part[];
}

export function SliceCard(props: {
  page: PageContext;
  situation: Situation;
  now: Date;
}): React.JSX.Element {
  const { page, situation, now } = props;
  const { trans } = page;
  const facts = factsOf(page, situation);
  const amount = heldOfCap(trans, situation);
  return (
    <section
      className={situation.seenAt === null ? 'sublet-slice' : 'sublet-slice sublet-stale'}
      aria-label={trans.__('My slice')}
      data-sublet="slice"
      data-sublet-standing={situation.standing.code}
    >
      <header className="sublet-slice-head">
        <span className={`sublet-chip sublet-is-${situation.standing.code}`} data-sublet="standing">
          <Sign icon={standingIcon(situation.standing.code)}>{situation.standing.word}</Sign>
        </span>
        {facts.simulated && (
          <span
            className="sublet-tag"
            title={trans.__('There is no real GPU here: it is simulated.')}
          >
            {trans.__('simulated')}
          </span>
        )}
      </header>
      <p className="sublet-amount">{amount}</p>
      <UseBar
        label={trans.__('GPU memory of my slice')}
        text={amount}
        whole={situation.cap_mib}
        parts={facts.parts}
        warn={situation.nearCap}
      />
      <p className="sublet-quiet">{situation.standing.meaning}</p>
      {page.model.slice?.rank != null && (
        <p className="sublet-quiet">
          <RankSign trans={trans} rank={page.model.slice.rank} explained />
        </p>
      )}
      {/* For screen readers, once: its progress changes several times a second. */}
      <p className="sublet-unseen" role="status" data-sublet="announced">
        {situation.progress === null ? '' : situation.standing.meaning}
      </p>
      <SeenAt situation={situation} trans={trans} />
      {situation.progress !== null && (
        <div className="sublet-return" data-sublet="progress">
          <ProgressBar
            label={situation.standing.word}
            text={situation.progress.text}
            fraction={situation.progress.fraction}
          />
          <span>{situation.progress.text}</span>
        </div>
      )}
      <WaitNote page={page} situation={situation} />
      {situation.quiet !== null && (
        <p className="sublet-note" data-sublet="lent">
          {situation.quiet}
        </p>
      )}
      <MovingNote page={page} />
      <IdlePart page={page} now={now} />
      <Warnings facts={facts} now={now} trans={trans} />
      <dl className="sublet-facts">
        <dt>{trans.__('GPU')}</dt>
        <dd>{facts.gpu}</dd>
        {facts.group !== null && (
          <>
            <dt>{trans.__('Paid by')}</dt>
            <dd data-sublet="paid-by">{facts.group}</dd>
          </>
        )}
        {facts.cap_kept !== null && (
          <>
            <dt className="sublet-fact-line">{trans.__('Memory cap kept by')}</dt>
            <dd
              className="sublet-fact-line"
              data-sublet="cap-kept-by"
              title={facts.cap_kept.meaning}
            >
              {facts.cap_kept.words}
            </dd>
          </>
        )}
        <dt>{trans.__('Compute share')}</dt>
        <dd>{percent(facts.compute_milli)}</dd>
        {situation.computeKept !== null && (
          <dd
            className="sublet-fact-line"
            data-sublet="compute-kept"
            data-sublet-holds={situation.computeKept.holds}
            title={situation.computeKept.meaning}
          >
            {situation.computeKept.words}
          </dd>
        )}
        {facts.utilisation_percent !== null && (
          <>
            <dt>{trans.__('Busy now')}</dt>
            <dd>{facts.utilisation_percent} %</dd>
          </>
        )}
        {facts.kept_until !== null && facts.kept_until > now && (
          <>
            <dt>{trans.__('Not lent until')}</dt>
            <dd data-sublet="kept-until">{moment(facts.kept_until, now)}</dd>
          </>
        )}
      </dl>
      <SliceActions page={page} situation={situation} now={now} />
    </section>
  );
}

function factsOf(page: PageContext, situation: Situation): Facts {
  const local = page.model.local?.value ?? null;
  const slice = page.model.slice;
  const held = local ?? slice?.report ?? null;
  const index = slice === null ? '' : ` · ${page.trans.__('number %1', slice.lease.gpu_index)}`;
  const on_gpu = Math.min(held?.memory_mib ?? 0, situation.used_mib);
  return {
    gpu: (local?.gpu_type ?? slice?.lease.gpu_type ?? '') + index,
    simulated: local?.simulated ?? slice?.lease.simulated ?? false,
    compute_milli: slice?.lease.compute_milli ?? local?.compute_milli ?? 0,
    utilisation_percent: situation.seenAt === null ? (held?.utilisation_percent ?? null) : null,
    kept_until: slice?.kept_until ?? null,
    warnings: local?.warnings ?? slice?.warnings ?? [],
    cap_kept: local?.cap_kept ?? slice?.cap_kept ?? null,
    group: slice?.group ?? null,
    parts: [
      { kind: 'on-gpu', amount: on_gpu },
      { kind: 'in-host', amount: situation.used_mib - on_gpu }
    ]
  };
}

function SeenAt(props: {
  situation: Situation;
  trans: TranslationBundle;
}): React.JSX.Element | null {
  const { situation, trans } = props;
  if (situation.seenAt === null) {
    return null;
  }
  const seen = trans.__('Last seen at %1.', clock(situation.seenAt, true));
  return (
    <p className="sublet-note" role="status" data-sublet="seen-at">
      {[seen, sentence(situation.problem ?? '')].filter(Boolean).join(' ')}
    </p>
  );
}

/** Why my cell waits, in the agent's own words. */
function WaitNote({
  page,
  situation
}: {
  page: PageContext;
  situation: Situation;
}): React.JSX.Element | null {
  const wait = page.model.local?.value.wait ?? null;
  if (wait === null || wait.message === '' || situation.seenAt !== null) {
    return null;
  }
  return (
    <p className="sublet-note" data-sublet="wait">
      {wait.message}
    </p>
  );
}

function Warnings(props: { facts: Facts; now: Date; trans: TranslationBundle }): React.JSX.Element {
  const { facts, now, trans } = props;
  return (
    <>
      {facts.warnings.map(warning => (
        <div key={warning.code} className="sublet-note sublet-warn" data-sublet={warning.code}>
          <Sign icon={warningIcon}>
            {trans.__('Your slice %1.', warning.clause)} {inLocalTime(warning.advice, now)}
          </Sign>
        </div>
      ))}
    </>
  );
}
