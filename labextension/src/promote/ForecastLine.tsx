/** The line at the foot of the promote dialog: when the job could start, as it is filled in now. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { limit, span } from '@sublet-lab/format/quantities';
import * as React from 'react';

import type { SubletApi } from '../api/client';
import type { Forecast, JobRequest } from '../api/jobs';
import { DecisionPart } from '../controls/decisionPart';

const FORECAST_AFTER_MS = 400;

/** What was said, or why nothing was, and of which request. */
interface Answer {
  request: string;
  forecast: Forecast | string;
}

/** What the quota allows and how long it would wait, asked a moment after the last change. */
export function ForecastLine(props: {
  api: SubletApi;
  trans: TranslationBundle;
  /** `null`: it is wrong, or not known yet. */
  request: JobRequest | null;
  isWrong: boolean;
  /** Why it will not be known, as it seems. */
  unreadable: string | null;
}): React.JSX.Element {
  const { api, trans, isWrong } = props;
  const request = JSON.stringify(props.request);
  const [answer, setAnswer] = React.useState<Answer | null>(null);
  React.useEffect(() => {
    let late = false;
    const timer = window.setTimeout(() => {
      if (request === 'null') {
        return;
      }
      api.forecast(JSON.parse(request) as JobRequest).then(
        found => {
          if (!late) {
            setAnswer({ request, forecast: found });
          }
        },
        (error: unknown) => {
          if (!late) {
            const forecast = error instanceof Error ? error.message : String(error);
            setAnswer({ request, forecast });
          }
        }
      );
    }, FORECAST_AFTER_MS);
    return () => {
      late = true;
      window.clearTimeout(timer);
    };
  }, [api, request]);
  const forecast = answer?.request === request ? answer.forecast : null;
  const told = props.request === null ? props.unreadable : forecast;
  const known = typeof forecast === 'object' && !isWrong ? forecast : null;
  return (
    <div className="sublet-forecast-foot">
      <p
        className="sublet-forecast"
        role="status"
        data-sublet="forecast"
        data-sublet-allowed={
          typeof forecast === 'object' && forecast !== null ? forecast.allowed : undefined
        }
      >
        {isWrong ? trans.__('Correct what is marked first.') : forecastWords(told, trans)}
      </p>
      <DecisionPart trans={trans} decision={known?.allowed === false ? known.decision : null} />
    </div>
  );
}

export function forecastWords(
  forecast: Forecast | string | null,
  trans: TranslationBundle
): string {
  if (forecast === null) {
    return trans.__('Asking when it could start…');
  }
  if (typeof forecast === 'string') {
    return forecast;
  }
  if (!forecast.allowed) {
    return forecast.problem ?? forecast.message;
  }
  const parts = [forecast.message];
  if (forecast.expected_wait_s !== null && forecast.expected_wait_s > 0) {
    parts.push(trans.__('Expected wait: about %1.', span(trans, forecast.expected_wait_s)));
  }
  if (forecast.basis !== '' && forecast.expected_wait_s !== 0) {
    parts.push(`(${forecast.basis})`);
  }
  if (forecast.max_run_s !== null) {
    parts.push(trans.__('It stops after %1 at the latest.', limit(trans, forecast.max_run_s)));
  }
  return parts.filter(Boolean).join(' ');
}
