/** What was held, used and waited for: of all for admins, of groups for theirs, of users their own. */
import { useCallback, useMemo, useState } from 'react';

import { GroupChoice } from '../../controls/GroupChoice';
import { Moment } from '../../controls/Moment';
import { useAnswer } from '../../model/answer';
import { useConsole } from '../../model/console';
import { useStore } from '../../model/store';
import { useGroup } from '../../shell/group';
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
  const { trans, session, client, groups } = useConsole();
  const query = useQuery().toString();
  const group = useGroup();
  const isOfMany = session.sees_all || group !== null;
  const choice = useMemo(() => choiceOf(new URLSearchParams(query), isOfMany), [query, isOfMany]);
  const ofGroup = useMemo(() => (group === null ? {} : { group }), [group]);
  const [now, setNow] = useState(() => new Date());
  const { span, from, to, by, step, of, percent } = choice;
  const times = useMemo(() => timesOf({ span, from, to }, now), [span, from, to, now]);
  const asked = useMemo(
    () => ({ ...timesAsked(times), percent: Number(percent) }),
    [times, percent]
  );
  const totals = useAnswer(
    useCallback(
      async () => ({
        report: await client.get('/use', { ...totalsQuery(times, by), ...ofGroup }),
        by
      }),
      [client, times, by, ofGroup]
    )
  );
  const course = useAnswer(
    useCallback(async () => {
      const asked = { ...courseQuery(times, step, { by, of }), ...ofGroup };
      return { report: await client.get('/use', asked), by, of, step, times };
    }, [client, times, step, by, of, ofGroup])
  );
  const waits = useAnswer(
    useCallback(async () => {
      const asked = { ...waitsQuery(times, { by, of }), ...ofGroup };
      return { report: await client.get('/use/waits', asked), by, of };
    }, [client, times, by, of, ofGroup])
  );
  const askRefusals = useCallback(async () => {
    const asked = { ...refusalsQuery(times, { by, of }), ...ofGroup };
    return { sums: await client.get('/refusals/sums', asked), by, of };
  }, [client, times, by, of, ofGroup]);
  const refusals = useAnswer(askRefusals);
  const askLimits = useCallback(() => client.get('/use/limits', asked), [client, asked]);
  const limits = useAnswer(session.sees_all ? askLimits : null);
  // Who administers groups sees a week's report of these.
  const seesReport = useStore(groups).length > 0 || session.sees_all;
  return (
    <>
      <GroupChoice group={group} withOwn />
      <ChoiceBar choice={choice} isOfMany={isOfMany} onChange={show} />
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
              setQuery(queryOfWeek({ week: lastWeek(now), group }));
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
            ...ofGroup,
            ...CSV
          })}
          onAll={() => {
            show({ ...choice, of: null });
          }}
        />
        <TotalsPart
          answer={totals}
          choice={choice}
          csv={client.addressOf('/use', { ...totalsQuery(times, by), ...ofGroup, ...CSV })}
          onChange={show}
        />
      </div>
      <div className="parts use-wide">
        <WaitsPart
          answer={waits}
          csv={client.addressOf('/use/waits', {
            ...waitsQuery(times, { by, of }),
            ...ofGroup,
            ...CSV
          })}
        />
        <RefusalsPart
          answer={refusals}
          csv={client.addressOf('/refusals/sums', {
            ...refusalsQuery(times, { by, of }),
            ...ofGroup,
            ...CSV
          })}
        />
        <EnergyPart
          answer={course}
          csv={client.addressOf('/use', {
            ...energyQuery(times, step, { by, of }),
            ...ofGroup,
            ...CSV
          })}
        />
        {session.sees_all && (
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
