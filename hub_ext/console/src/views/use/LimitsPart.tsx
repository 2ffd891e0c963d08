/** Limits by past use, for who sees all: which would have refused a small part of the hours. */
import { cardNumber, decimal } from '@sublet-lab/format/quantities';
import type { TranslationBundle } from '@sublet-lab/format/translation';
import { useMemo, useState } from 'react';

import type { LimitsReport, ProposedLimit } from '../../api/types';
import { Choice as Select } from '../../controls/Choice';
import { LongTable, type Column } from '../../controls/LongTable';
import { useConsole } from '../../model/console';
import type { Answer } from '../../model/answer';
import { PERCENTS, type Choice } from './choice';
import { Part } from './Part';
import { nameWord } from './words';

export function LimitsPart(props: {
  answer: Answer<LimitsReport>;
  choice: Choice;
  csv: string;
  onChange: (choice: Choice) => void;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { choice } = props;
  return (
    <Part
      name="use-limits"
      title={trans.__('Limits proposed from past use')}
      answer={props.answer}
      csv={props.csv}
    >
      {report => (
        <>
          <div className="filter">
            <Select
              label={trans.__('Would have refused')}
              value={choice.percent}
              options={PERCENTS.map(each => [each, trans.__('%1 % of the hours', each)])}
              onChange={percent => {
                props.onChange({ ...choice, percent });
              }}
            />
          </div>
          {report.limits.length === 0 ? (
            <p>{trans.__('Nothing was held in this time.')}</p>
          ) : (
            <Limits report={report} choice={choice} />
          )}
        </>
      )}
    </Part>
  );
}

function Limits(props: { report: LimitsReport; choice: Choice }): React.JSX.Element {
  const { trans } = useConsole();
  const { by, of } = props.choice;
  const [sort, setSort] = useState('');
  const columns = useMemo(() => columnsOf(trans), [trans]);
  const limits = useMemo(
    () =>
      props.report.limits.filter(
        each =>
          of === null ||
          by === 'owner' ||
          (by === 'group' ? (each.group ?? '') === of : each.gpu_type === of)
      ),
    [props.report, by, of]
  );
  return (
    <>
      <p className="quiet">
        {trans.__(
          'Each of them would have refused %1 % of the hours that were held in this time.',
          props.report.refused_percent
        )}
      </p>
      <LongTable
        name="use-limits-table"
        label={trans.__('Limits proposed from past use')}
        columns={columns}
        rows={limits}
        keyOf={each => `${each.group ?? ''}/${each.gpu_type ?? ''}/${String(each.of_each)}`}
        sort={sort}
        onSort={setSort}
      />
    </>
  );
}

function columnsOf(trans: TranslationBundle): Column<ProposedLimit>[] {
  return [
    {
      name: 'group',
      title: trans.__('group'),
      of: each => nameWord('group', each.group ?? '', trans)
    },
    { name: 'type', title: trans.__('type'), of: each => each.gpu_type ?? trans.__('all types') },
    {
      name: 'of',
      title: trans.__('limit of'),
      of: each => (each.of_each ? trans.__('each member') : trans.__('all together'))
    },
    {
      name: 'cards',
      title: trans.__('cards'),
      of: each => each.cards,
      shown: each => cardNumber(each.cards)
    },
    {
      name: 'most',
      title: trans.__('most held at once'),
      of: each => each.most,
      shown: each => cardNumber(each.most)
    },
    {
      name: 'held',
      title: trans.__('hours held'),
      of: each => each.held_hours,
      shown: each => decimal(each.held_hours)
    }
  ];
}
