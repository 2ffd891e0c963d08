/** The hours over time, as a chart and as the table that it is drawn from. */
import { decimal } from '@sublet-lab/format/quantities';
import type { TranslationBundle } from '@sublet-lab/format/translation';
import { useMemo, useState } from 'react';

import { LongTable, type Column } from '../../controls/LongTable';
import { useConsole } from '../../model/console';
import type { Answer } from '../../model/answer';
import type { Choice } from './choice';
import { courseOf, KINDS, type Point } from './course';
import { Part } from './Part';
import type { Course as Told } from './queries';
import { slotWords, type Step } from './steps';
import { UseChart } from './UseChart';
import { kindWord, stepWord, whoseWord } from './words';

export function CoursePart(props: {
  answer: Answer<Told>;
  choice: Choice;
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
      {told => (
        <>
          {choice.of !== null && (
            <p>
              <button type="button" onClick={props.onAll} data-sublet="use-all">
                {trans.__('Show all together')}
              </button>
            </p>
          )}
          <Course told={told} />
        </>
      )}
    </Part>
  );
}

function Course({ told }: { told: Told }): React.JSX.Element {
  const { trans } = useConsole();
  const { step } = told;
  const [open, setOpen] = useState(false);
  const [sort, setSort] = useState('');
  const points = useMemo(() => courseOf(told.report.rows, told, told.times), [told]);
  const columns = useMemo(() => columnsOf(step, trans), [step, trans]);
  return (
    <>
      <UseChart points={points} step={step} label={whoseWord(told, trans)} />
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
