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
  const queries = useMemo(
    () => ({
      course: courseQuery(times, step, { by, of }),
      energy: energyQuery(times, step, { by, of }),
      waits: waitsQuery(times, { by, of }),
      refusals: refusalsQuery(times, { by, of })
    }),
    [times, step, by, of]
  );
  const totalsAsked = useMemo(() => totalsQuery(times, by), [times, by]);
  const limitsAsked = useMemo(
    () => ({ ...timesAsked(times), percent: Number(percent) }),
    [times, percent]
  );
  const totals = useAnswer(
    useCallback(() => client.get('/use', totalsAsked), [client, totalsAsked])
  );
  const course = useAnswer(
    useCallback(() => client.get('/use', queries.course), [client, queries.course])
  );
  const waits = useAnswer(
    useCallback(() => client.get('/use/waits', queries.waits), [client, queries.waits])
  );
  const refusals = useAnswer(
    useCallback(() => client.get('/refusals/sums', queries.refusals), [client, queries.refusals])
  );
  const askLimits = useCallback(
    () => client.get('/use/limits', limitsAsked),
    [client, limitsAsked]
  );
  const limits = useAnswer(session.admin ? askLimits : null);
  return (
    <>
      <ChoiceBar choice={choice} onChange={show} />
      <p className="quiet" data-sublet="use-times">
        {trans.__('From')} <Moment at={queries.course.since} /> {trans.__('to')}{' '}
        <Moment at={queries.course.until} />
        {' · '}
        {trans.__('time zone of this browser: %1', zoneName())}{' '}
        <button
          type="button"
          onClick={() => {
            setNow(new Date());
          }}
        >
          {trans.__('Ask anew')}
        </button>
      </p>
      <div className="use-parts">
        <CoursePart
          answer={course}
          choice={choice}
          times={times}
          csv={client.addressOf('/use', { ...queries.course, ...CSV })}
          onAll={() => {
            show({ ...choice, of: null });
          }}
        />
        <TotalsPart
          answer={totals}
          choice={choice}
          csv={client.addressOf('/use', { ...totalsAsked, ...CSV })}
          onChange={show}
        />
      </div>
      <div className="parts">
        <WaitsPart
          answer={waits}
          choice={choice}
          csv={client.addressOf('/use/waits', { ...queries.waits, ...CSV })}
        />
        <RefusalsPart answer={refusals} choice={choice} />
        <EnergyPart
          answer={course}
          choice={choice}
          csv={client.addressOf('/use', { ...queries.energy, ...CSV })}
        />
        {session.admin && (
          <LimitsPart
            answer={limits}
            choice={choice}
            csv={client.addressOf('/use/limits', { ...limitsAsked, ...CSV })}
            onChange={show}
          />
        )}
      </div>
    </>
  );
}
