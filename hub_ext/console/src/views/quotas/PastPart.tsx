/** What past days would have been under a draft: asked for with a button, with progress and an end. */
import type { TranslationBundle } from '@sublet-lab/format/translation';
import { useId, useState } from 'react';

import { useConsole } from '../../model/console';
import { useStore } from '../../model/store';
import type { Past, PastDays } from './past';
import { PastReport } from './PastReport';

const MOST_DAYS = 30;
const USUAL_DAYS = 7;

export function PastPart(props: { past: PastDays; text: string }): React.JSX.Element {
  const { trans } = useConsole();
  const { past, text } = props;
  const told = useStore(past.store);
  const now = told?.text === text ? told : null;
  const problem = now?.problem ?? null;
  const report = now?.report ?? null;
  const runs = now !== null && now.stage !== 'over';
  const [days, setDays] = useState(USUAL_DAYS);
  const title = useId();
  const isPossible = Number.isInteger(days) && days >= 1 && days <= MOST_DAYS;
  return (
    <section aria-labelledby={title} aria-busy={runs} data-sublet="past">
      <h3 id={title}>{trans.__('Over past days')}</h3>
      <p className="quiet">
        {trans.__(
          'What was asked for here is simulated under the document in force, and under the draft.'
        )}
      </p>
      <div className="deeds-line">
        <label>
          <span>{trans.__('Days')}</span>
          <input
            type="number"
            min={1}
            max={MOST_DAYS}
            value={Number.isNaN(days) ? '' : days}
            disabled={runs}
            onChange={event => {
              setDays(event.target.valueAsNumber);
            }}
          />
        </label>
        <button
          type="button"
          disabled={runs || !isPossible}
          onClick={() => {
            void past.ask(text, days);
          }}
        >
          {isPossible
            ? trans._n('Over the last %1 day', 'Over the last %1 days', days)
            : trans.__('From 1 to %1 days', MOST_DAYS)}
        </button>
        {runs && (
          <button
            type="button"
            onClick={() => {
              past.cancel();
            }}
          >
            {trans.__('Cancel')}
          </button>
        )}
      </div>
      {runs && <Progress past={now} />}
      {problem !== null && (
        <p className="bad told" role="alert">
          {problem}
        </p>
      )}
      {report !== null && <PastReport preview={report} />}
    </section>
  );
}

function Progress({ past }: { past: Past }): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <div className="past-progress" data-sublet="past-progress">
      <progress
        aria-label={trans.__('How far it is')}
        max={100}
        {...(past.stage === 'asking' || past.stage === 'in-line'
          ? {}
          : { value: Math.round(100 * past.part) })}
      />
      <p role="status" className="quiet">
        {stageWord(past, trans)}
      </p>
    </div>
  );
}

function stageWord(past: Past, trans: TranslationBundle): string {
  switch (past.stage) {
    case 'in-line':
      return trans._n(
        'In line: %1 other is in front.',
        'In line: %1 others are in front.',
        past.ahead
      );
    case 'reading':
      return trans.__('Reading what happened …');
    case 'simulating':
      return trans.__('Simulating the days twice …');
    default:
      return trans.__('Asking …');
  }
}
