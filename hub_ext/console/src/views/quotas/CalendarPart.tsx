/** When the document says something else: what is reserved, and which exceptions end. */
import { clock } from '@sublet-lab/format/quantities';
import { useCallback, useMemo } from 'react';

import type { ExceptionInfo, QuotaCalendar, QuotaInForce } from '../../api/types';
import { Moment } from '../../controls/Moment';
import { Tag } from '../../controls/Tag';
import { useAnswer } from '../../model/answer';
import { useConsole } from '../../model/console';
import { useStore } from '../../model/store';
import { setQuery, useQuery } from '../../shell/router';
import { daysOf, monthBeside, monthName, monthOf, onDay, spanOf } from './month';
import { showLine } from './parts';

export function CalendarPart(props: {
  quota: QuotaInForce;
  /** Of which group with all below it; `null`: of all. */
  group: string | null;
}): React.JSX.Element {
  const { quota, group } = props;
  const { trans, client, quotaTold } = useConsole();
  const told = useStore(quotaTold);
  const name = useQuery().get('month');
  const month = useMemo(() => monthOf(name, new Date()), [name]);
  const days = useMemo(() => daysOf(month), [month]);
  const ask = useCallback(() => {
    const [first, end] = spanOf(days);
    return client.get('/quota/calendar', {
      ...(group === null ? {} : { group }),
      since: first.toISOString(),
      until: end.toISOString()
    });
    // Another document is another question; and what ends of the same one ends by time alone.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [client, days, quota, told, group]);
  const { value: calendar, problem } = useAnswer(ask);
  const show = (steps: number) => (): void => {
    const shown = steps === 0 ? new Date() : monthBeside(month, steps);
    setQuery(new URLSearchParams({ part: 'calendar', month: monthName(shown) }));
  };
  return (
    <>
      <div className="deeds-line">
        <button type="button" aria-label={trans.__('The month before')} onClick={show(-1)}>
          ‹
        </button>
        <h2 data-sublet="month">
          {month.toLocaleDateString([], { month: 'long', year: 'numeric' })}
        </h2>
        <button type="button" aria-label={trans.__('The month after')} onClick={show(1)}>
          ›
        </button>
        <button type="button" onClick={show(0)}>
          {trans.__('Today')}
        </button>
      </div>
      {problem !== null && <p className="why">{problem}</p>}
      {calendar !== null && (
        <>
          <Month {...{ month, days, calendar }} />
          <Exceptions exceptions={calendar.exceptions} />
          {calendar.left_out > 0 && <p>{trans.__('%1 more are left out.', calendar.left_out)}</p>}
        </>
      )}
    </>
  );
}

function Month(props: {
  month: Date;
  days: readonly Date[];
  calendar: QuotaCalendar;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { month, days, calendar } = props;
  const weeks = Array.from({ length: days.length / 7 }, (_, week) =>
    days.slice(7 * week, 7 * week + 7)
  );
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- who has keys alone scrolls it, too
    <div className="table-frame" tabIndex={0} role="group" aria-label={trans.__('Calendar')}>
      <table className="calendar" data-sublet="calendar">
        <thead>
          <tr>
            {weeks[0]?.map(day => (
              <th key={day.getTime()} scope="col">
                {day.toLocaleDateString([], { weekday: 'short' })}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {weeks.map(week => (
            <tr key={week[0]?.getTime()}>
              {week.map(day => (
                <Day key={day.getTime()} {...{ day, month, calendar }} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Day(props: { day: Date; month: Date; calendar: QuotaCalendar }): React.JSX.Element {
  const { trans } = useConsole();
  const { day, month, calendar } = props;
  const { reserved, ending } = onDay(day, calendar.reservations, calendar.exceptions);
  const kind = [
    ...(day.getMonth() === month.getMonth() ? [] : ['elsewhere']),
    ...(day.toDateString() === new Date().toDateString() ? ['today'] : [])
  ].join(' ');
  return (
    <td className={kind}>
      <span className="quiet">
        <span className="weekday">{day.toLocaleDateString([], { weekday: 'short' })} </span>
        {day.getDate()}
      </span>
      <ul>
        {reserved.map(({ what, from, to }) => (
          <li key={`${what.name} ${String(from.getTime())}`}>
            <Entry
              kind="reserved"
              line={what.line}
              title={`${what.name}: ${what.cards} · ${what.at} ${what.zone}`}
            >
              {clock(from)}–{clock(to)} {what.name}: {what.cards}, {what.group}
            </Entry>
          </li>
        ))}
        {ending.map((each, place) => (
          <li key={`${String(place)} ${each.why}`}>
            <Entry kind="excepted" line={each.line} title={each.sets.join(', ')}>
              {trans.__('ends: %1', whoOf(each))}
            </Entry>
          </li>
        ))}
      </ul>
    </td>
  );
}

function Entry(props: {
  kind: string;
  line: number | null;
  title: string;
  children: React.ReactNode;
}): React.JSX.Element {
  const { line } = props;
  return (
    <button
      type="button"
      className={props.kind}
      title={props.title}
      disabled={line === null}
      onClick={() => {
        if (line !== null) {
          showLine(line);
        }
      }}
    >
      {props.children}
    </button>
  );
}

function Exceptions({ exceptions }: { exceptions: readonly ExceptionInfo[] }): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <section className="part" aria-labelledby="exceptions" data-sublet="exceptions">
      <h2 id="exceptions">{trans.__('Exceptions')}</h2>
      {exceptions.length === 0 && <p>{trans.__('There are none.')}</p>}
      <ul className="plain">
        {exceptions.map((each, place) => (
          <li key={`${String(place)} ${each.why}`} className="mine">
            <b>{whoOf(each)}</b> {each.is_over && <Tag tone="plain">{trans.__('over')}</Tag>}{' '}
            {each.sets.join(', ')}
            {' · '}
            {each.until === null ? (
              trans.__('without an end')
            ) : (
              <>
                {trans.__('until')} <Moment at={each.until} />
              </>
            )}
            {' · '}
            <span className="quiet">{each.why}</span>{' '}
            {each.line !== null && (
              <button
                type="button"
                className="to-line"
                onClick={() => {
                  showLine(each.line ?? 1);
                }}
              >
                {trans.__('line %1', each.line)}
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function whoOf(exception: ExceptionInfo): string {
  return [...exception.who, ...exception.groups].join(', ');
}
