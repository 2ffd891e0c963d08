/** The hours over time, as a chart and as the table that it is drawn from. */
import { decimal } from '@sublet-lab/format/quantities';
import { useMemo, useState } from 'react';

import type { UseReport } from '../../api/types';
import { LongTable, type Column } from '../../controls/LongTable';
import { useConsole } from '../../model/console';
import type { Answer } from '../../model/answer';
import type { TranslationBundle } from '../../words/translation';
import type { Choice, Times } from './choice';
import { courseOf, KINDS, type Point } from './course';
import { Part } from './Part';
import { slotWords, type Step } from './steps';
import { UseChart } from './UseChart';
import { kindWord, stepWord, whoseWord } from './words';

export function CoursePart(props: {
  answer: Answer<UseReport>;
  choice: Choice;
  times: Times;
  csv: string;
  onAll: () => void;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { choice } = props;
  const whose = whoseWord(choice, trans);
  return (
    <Part
      name="use-course"
      title={trans.__('Hours on cards over time: %1', whose)}
      answer={props.answer}
      csv={props.csv}
    >
      {report => (
        <>
          {choice.of !== null && (
            <p>
              <button type="button" onClick={props.onAll} data-sublet="use-all">
                {trans.__('Show all together')}
              </button>
            </p>
          )}
          <Course report={report} choice={choice} times={props.times} label={whose} />
        </>
      )}
    </Part>
  );
}

function Course(props: {
  report: UseReport;
  choice: Choice;
  times: Times;
  label: string;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { report, times } = props;
  const { by, of, step } = props.choice;
  const [open, setOpen] = useState(false);
  const [sort, setSort] = useState('');
  const points = useMemo(
    () => courseOf(report.rows, { by, of, step }, times),
    [report, by, of, step, times]
  );
  const columns = useMemo(() => columnsOf(step, trans), [step, trans]);
  return (
    <>
      <UseChart points={points} step={step} label={props.label} />
      <details
        onToggle={event => {
          setOpen(event.currentTarget.open);
        }}
        data-sublet="use-course-table"
      >
        <summary>{trans.__('The same as a table')}</summary>
        {open && (
          <LongTable
            name="use-steps"
            label={trans.__('Hours by %1', stepWord(step, trans))}
            columns={columns}
            rows={points}
            keyOf={point => point.label}
            sort={sort}
            onSort={setSort}
          />
        )}
      </details>
    </>
  );
}

function columnsOf(step: Step, trans: TranslationBundle): Column<Point>[] {
  return [
    {
      name: 'step',
      title: stepWord(step, trans),
      of: point => point.label,
      shown: point => slotWords(step, point)
    },
    ...(['held', ...KINDS, 'borrowed', 'charged', 'credited'] as const).map(
      (kind): Column<Point> => ({
        name: kind,
        title: kindWord(kind, trans),
        of: point => point.hours[kind],
        shown: point => decimal(point.hours[kind])
      })
    )
  ];
}
