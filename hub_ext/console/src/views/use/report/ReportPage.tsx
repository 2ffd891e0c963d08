/** A week by group, with the week before beside it: to be read, printed, or taken along. */
import { useCallback, useMemo, useState } from 'react';

import { messageOf } from '../../../api/client';
import type { WeekReport } from '../../../api/types';
import { Choice as Select } from '../../../controls/Choice';
import { useAnswer } from '../../../model/answer';
import { useConsole } from '../../../model/console';
import { setQuery, useQuery } from '../../../shell/router';
import { Factors } from '../Factors';
import { labelOf, zoneName } from '../steps';
import { nameWord } from '../words';
import { GroupPart } from './GroupPart';
import { queryOfWeek, shiftedWeek, weekChoiceOf, type WeekChoice } from './week';

export default function ReportPage(): React.JSX.Element {
  const { trans, client } = useConsole();
  const [now] = useState(() => new Date());
  const query = useQuery().toString();
  const choice = useMemo(() => weekChoiceOf(new URLSearchParams(query), now), [query, now]);
  const { week, group } = choice;
  const asked = useMemo(
    () => ({ week, zone: zoneName(), ...(group === null ? {} : { group }) }),
    [week, group]
  );
  const answer = useAnswer(useCallback(() => client.get('/use/report', asked), [client, asked]));
  return (
    <div className="report" aria-busy={answer.asking} data-sublet="report">
      <WeekBar
        choice={choice}
        isLast={week >= labelOf('week', now)}
        groups={groupsOf(answer.value, group)}
        files={{
          html: client.addressOf('/use/report', { ...asked, format: 'html' }),
          text: client.addressOf('/use/report', { ...asked, format: 'text' })
        }}
      />
      <MailIt week={week} group={group} />
      {answer.problem !== null && (
        <p className="why" role="alert">
          {answer.problem}
        </p>
      )}
      {answer.value === null ? (
        answer.problem === null && <p role="status">{trans.__('Asking …')}</p>
      ) : (
        <Report report={answer.value} />
      )}
    </div>
  );
}

function Report({ report }: { report: WeekReport }): React.JSX.Element {
  const { trans } = useConsole();
  // Up to a midnight means: with the day before.
  const last = new Date(Date.parse(report.until) - 1);
  return (
    <>
      <h2 data-sublet="report-title">{trans.__('Week %1, by group', report.week)}</h2>
      <p data-sublet="report-days">
        {trans.__('%1 to %2 (%3)', dayWords(new Date(report.since)), dayWords(last), report.zone)}
        {!report.is_over && <> · {trans.__('this week is not over')}</>}
      </p>
      {report.carbon !== null && <Factors factors={report.carbon} />}
      {report.groups.length === 0 && <p>{trans.__('Nothing was held, waited for or refused.')}</p>}
      {report.groups.map(each => (
        <GroupPart key={each.group} told={each} hasCarbon={report.carbon !== null} />
      ))}
    </>
  );
}

/** Has the week mailed to the admin who looks at it, as it goes out each week. */
function MailIt(props: { week: string; group: string | null }): React.JSX.Element | null {
  const { trans, client, session } = useConsole();
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState<{ readonly words: string; readonly bad: boolean } | null>(null);
  if (!session.admin) {
    return null;
  }
  const mail = (): void => {
    setBusy(true);
    setSaid(null);
    client
      .post('/use/report/trial', { channel: 'mail', ...props }, {})
      .then(
        sent => {
          setSaid(
            sent.was_sent
              ? { words: trans.__('The report of %1 was mailed to you.', sent.week), bad: false }
              : { words: trans.__('It was not mailed: %1', sent.problem ?? ''), bad: true }
          );
        },
        (error: unknown) => {
          setSaid({ words: messageOf(error), bad: true });
        }
      )
      .finally(() => {
        setBusy(false);
      });
  };
  return (
    <p className="unprinted">
      <button type="button" disabled={busy} onClick={mail} data-sublet="mail-report">
        {trans.__('Mail it to me now')}
      </button>{' '}
      <span
        role={said?.bad === true ? 'alert' : 'status'}
        className={said?.bad === true ? 'bad' : undefined}
        data-sublet="mailed"
      >
        {said?.words}
      </span>
    </p>
  );
}

function WeekBar(props: {
  choice: WeekChoice;
  isLast: boolean;
  groups: readonly string[];
  files: { readonly html: string; readonly text: string };
}): React.JSX.Element {
  const { trans } = useConsole();
  const { choice, groups } = props;
  const show = (part: Partial<WeekChoice>): void => {
    setQuery(queryOfWeek({ ...choice, ...part }));
  };
  return (
    <search className="filter unprinted" aria-label={trans.__('Which week')}>
      <button
        type="button"
        onClick={() => {
          show({ week: shiftedWeek(choice.week, -1) });
        }}
      >
        {trans.__('Week before')}
      </button>
      <button
        type="button"
        disabled={props.isLast}
        onClick={() => {
          show({ week: shiftedWeek(choice.week, 1) });
        }}
      >
        {trans.__('Week after')}
      </button>
      <Select
        label={trans.__('Group')}
        value={choice.group ?? ''}
        options={[
          ['', trans.__('all')],
          ...groups.map(each => [each, nameWord('group', each, trans)] as const)
        ]}
        onChange={group => {
          show({ group: group === '' ? null : group });
        }}
      />
      <button
        type="button"
        onClick={() => {
          window.print();
        }}
      >
        {trans.__('Print')}
      </button>
      <a href={props.files.html} download>
        {trans.__('Download HTML')}
      </a>
      <a href={props.files.text} download>
        {trans.__('Download text')}
      </a>
      <button
        type="button"
        onClick={() => {
          setQuery(new URLSearchParams());
        }}
      >
        {trans.__('Back to all hours')}
      </button>
    </search>
  );
}

/** What can be chosen: the groups that are told of, and the chosen one, of which nothing may be. */
function groupsOf(report: WeekReport | null, chosen: string | null): readonly string[] {
  const names = (report?.groups ?? []).map(each => each.group).filter(name => name !== '');
  return [...new Set(chosen === null ? names : [chosen, ...names])];
}

function dayWords(at: Date): string {
  return at.toLocaleDateString([], {
    weekday: 'short',
    year: 'numeric',
    month: 'short',
    day: 'numeric'
  });
}
