/** What was held, used and waited for: of all for admins, of users their own. */
import { useCallback, useMemo, useState } from 'react';

import { Moment } from '../../controls/Moment';
import { useAnswer } from '../../model/answer';
import { useConsole } from '../../model/console';
import { setQuery, useQuery } from '../../shell/router';
import { choiceOf, queryOf, timesOf, type Choice } from './choice';
import { ChoiceBar } from './ChoiceBar';
import { CoursePart } from './CoursePart';
import { EnergyPart } from './EnergyPart';
import { LimitsPart } from './LimitsPart';
import {
  courseQuery,
  energyQuery,
  refusalsQuery,
  timesAsked,
  totalsQuery,
  waitsQuery
} from './queries';
import { RefusalsPart } from './RefusalsPart';
import { lastWeek, queryOfWeek } from './report/week';
import { zoneName } from './steps';
import { TotalsPart } from './TotalsPart';
import { WaitsPart } from './WaitsPart';

const CSV = { format: 'csv' };

function show(choice: Choice): void {
  setQuery(queryOf(choice));
}

export default function UsePage(): React.JSX.Element {
  const { trans, session, client } = useConsole();
  const query = useQuery().toString();
  const choice = useMemo(
    () => choiceOf(new URLSearchParams(query), session.admin),
    [query, session.admin]
  );
  const [now, setNow] = useState(() => new Date());
  const { span, from, to, by, step, of, percent } = choice;
  const times = useMemo(() => timesOf({ span, from, to }, now), [span, from, to, now]);
  const asked = useMemo(
    () => ({ ...timesAsked(times), percent: Number(percent) }),
    [times, percent]
  );
  const totals = useAnswer(
    useCallback(
      async () => ({ report: await client.get('/use', totalsQuery(times, by)), by }),
      [client, times, by]
    )
  );
  const course = useAnswer(
    useCallback(async () => {
      const report = await client.get('/use', courseQuery(times, step, { by, of }));
      return { report, by, of, step, times };
    }, [client, times, step, by, of])
  );
  const waits = useAnswer(
    useCallback(async () => {
      const report = await client.get('/use/waits', waitsQuery(times, { by, of }));
      return { report, by, of };
    }, [client, times, by, of])
  );
  const refusals = useAnswer(
    useCallback(async () => {
      const sums = await client.get('/refusals/sums', refusalsQuery(times, { by, of }));
      return { sums, by, of };
    }, [client, times, by, of])
  );
  const askLimits = useCallback(() => client.get('/use/limits', asked), [client, asked]);
  const limits = useAnswer(session.admin ? askLimits : null);
  // Who administers groups sees a week's report of these.
  const askRole = useCallback(() => client.get('/role'), [client]);
  const role = useAnswer(session.admin ? null : askRole);
  const seesReport = session.admin || role.value?.role === 'group-admin';
  return (
    <>
      <ChoiceBar choice={choice} onChange={show} />
      <p className="quiet" data-sublet="use-times">
        {trans.__('From')} <Moment at={asked.since} dated /> {trans.__('to')}{' '}
        <Moment at={asked.until} dated />
        {' · '}
        {trans.__('time zone of this browser: %1', zoneName())}{' '}
        <button
          type="button"
          onClick={() => {
            setNow(new Date());
          }}
        >
          {trans.__('Ask anew')}
        </button>{' '}
        {seesReport && (
          <button
            type="button"
            data-sublet="use-report"
            onClick={() => {
              setQuery(queryOfWeek({ week: lastWeek(now), group: null }));
            }}
          >
            {trans.__('Weekly report')}
          </button>
        )}
      </p>
      <div className="use-parts">
        <CoursePart
          answer={course}
          choice={choice}
          csv={client.addressOf('/use', {
            ...courseQuery(times, step, { by, of }),
            ...CSV
          })}
          onAll={() => {
            show({ ...choice, of: null });
          }}
        />
        <TotalsPart
          answer={totals}
          choice={choice}
          csv={client.addressOf('/use', { ...totalsQuery(times, by), ...CSV })}
          onChange={show}
        />
      </div>
      <div className="parts use-wide">
        <WaitsPart
          answer={waits}
          csv={client.addressOf('/use/waits', { ...waitsQuery(times, { by, of }), ...CSV })}
        />
        <RefusalsPart
          answer={refusals}
          csv={client.addressOf('/refusals/sums', {
            ...refusalsQuery(times, { by, of }),
            ...CSV
          })}
        />
        <EnergyPart
          answer={course}
          csv={client.addressOf('/use', { ...energyQuery(times, step, { by, of }), ...CSV })}
        />
        {session.admin && (
          <LimitsPart
            answer={limits}
            choice={choice}
            csv={client.addressOf('/use/limits', { ...asked, ...CSV })}
            onChange={show}
          />
        )}
      </div>
    </>
  );
}
