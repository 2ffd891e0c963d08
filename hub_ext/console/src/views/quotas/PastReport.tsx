/** What past days come to under both documents, who gains and loses, and how true that is. */
import { decimal } from '@sublet-lab/format/quantities';
import type { TranslationBundle } from '@sublet-lab/format/translation';
import { useMemo, useState } from 'react';

import type {
  PastGroup,
  PastPerson,
  PastPreview,
  PastTruthLine,
  PastUnmets
} from '../../api/types';
import { Choice } from '../../controls/Choice';
import { LongTable, type Column } from '../../controls/LongTable';
import { Moment } from '../../controls/Moment';
import { useConsole } from '../../model/console';
import { refusalWord } from '../use/words';
import { csvOf, difference, figure, linesOf, type PastLine } from './pastFigures';

const ALL = 'all';
const DAY_MS = 86_400_000;
const NEARLY = 0.98;

export function PastReport({ preview }: { preview: PastPreview }): React.JSX.Element {
  const { trans } = useConsole();
  const [chosen, setChosen] = useState(ALL);
  const groups = preview.groups;
  const group = chosen === ALL ? preview.in_all : (groups[Number(chosen)] ?? preview.in_all);
  const name = (each: PastGroup): string => each.group ?? trans.__('no group');
  return (
    <div data-sublet="past-report">
      <Days preview={preview} />
      <p data-sublet="past-truth">{truthWords(preview, trans)}</p>
      {preview.notes.map(note => (
        <p key={note} className="why">
          {note}
        </p>
      ))}
      <Unmet title={trans.__('In force')} unmets={preview.unmet_before} />
      <Unmet title={trans.__('Under the draft')} unmets={preview.unmet_after} />
      <h4>{trans.__('Who gains and who loses')}</h4>
      <Groups preview={preview} />
      <Persons name="past-lose" title={trans.__('They lose most')} persons={preview.lose_most} />
      <Persons name="past-gain" title={trans.__('They gain most')} persons={preview.gain_most} />
      <h4>{trans.__('What differs')}</h4>
      <div className="deeds-line">
        <Choice
          label={trans.__('Of group')}
          value={chosen}
          options={[
            [ALL, trans.__('all together')],
            ...groups.map((each, at) => [String(at), name(each)] as const)
          ]}
          onChange={setChosen}
        />
        <button
          type="button"
          onClick={() => {
            save(csvOf(preview, trans));
          }}
        >
          {trans.__('Download CSV')}
        </button>
      </div>
      <Figures lines={linesOf(group, trans)} />
      <details>
        <summary>{trans.__('How true it is, figure by figure')}</summary>
        <Truth lines={preview.truth.lines} />
      </details>
    </div>
  );
}

function Days({ preview }: { preview: PastPreview }): React.JSX.Element {
  const { trans } = useConsole();
  const days = (Date.parse(preview.ends) - Date.parse(preview.begins)) / DAY_MS;
  const isShort = days < NEARLY * preview.asked_days;
  return (
    <p className={isShort ? 'why' : 'quiet'} data-sublet="past-days">
      <Moment at={preview.begins} /> – <Moment at={preview.ends} />
      {', '}
      {trans._n('%1 person', '%1 people', preview.people)}
      {', '}
      {preview.cards}
      {'. '}
      {isShort &&
        trans.__(
          'Nothing is known of before: these are %1 of %2 days, and tell the less of what is usual.',
          days < 0.1 ? trans.__('less than 0.1') : decimal(days),
          preview.asked_days
        )}
    </p>
  );
}

/** The replay's own error against what really happened, in a sentence. */
export function truthWords(preview: PastPreview, trans: TranslationBundle): string {
  const { worst_wait, hours } = preview.truth;
  const percent = (part: number): string => `${decimal(100 * part)} %`;
  if (worst_wait === null && hours === null) {
    return trans.__(
      'How true this is cannot be told: fewer than twenty waits and no hours were recorded.'
    );
  }
  if (worst_wait === null) {
    return trans.__(
      'How true this is: simulated under the document in force, hours differ by %1 from what really happened. There were fewer than twenty waits to judge by.',
      percent(hours ?? 0)
    );
  }
  if (hours === null) {
    return trans.__(
      'How true this is: simulated under the document in force, waits differ by %1 at most from what really happened.',
      percent(worst_wait)
    );
  }
  return trans.__(
    'How true this is: simulated under the document in force, waits differ by %1 at most from what really happened, and hours by %2.',
    percent(worst_wait),
    percent(hours)
  );
}

function Unmet(props: { title: string; unmets: PastUnmets }): React.JSX.Element | null {
  const { trans } = useConsole();
  const { times, first } = props.unmets;
  if (first === null) {
    return null;
  }
  const who = [first.owner, first.group].filter(each => each !== null).join(', ');
  const why =
    first.what === 'refused'
      ? trans.__('refused: %1', refusalWord(first.why, trans))
      : first.what === 'waited'
        ? trans.__('waited %1', first.why)
        : first.why;
  return (
    <p className="why" data-sublet="past-unmet">
      {props.title}
      {': '}
      {trans._n('a guarantee is not met once', 'guarantees are not met %1 times, first', times)}
      {', '}
      <Moment at={first.at} />
      {who === '' ? '' : `, ${who}`}
      {': '}
      {why}
    </p>
  );
}

function Groups({ preview }: { preview: PastPreview }): React.JSX.Element {
  const { trans } = useConsole();
  const [sort, setSort] = useState('');
  const rows = useMemo(() => [preview.in_all, ...preview.groups], [preview]);
  const columns = useMemo((): Column<PastGroup>[] => {
    const hours = (
      name: string,
      title: string,
      of: (figures: PastGroup['before']) => number
    ): Column<PastGroup> => ({
      name,
      title,
      of: row => of(row.after) - of(row.before),
      shown: row =>
        difference({ what: '', before: of(row.before), after: of(row.after), unit: 'h' }, trans) ||
        '='
    });
    return [
      {
        name: 'group',
        title: trans.__('group'),
        of: row =>
          row === preview.in_all ? trans.__('all together') : (row.group ?? trans.__('no group'))
      },
      { name: 'gain', title: trans.__('gain'), of: row => row.gain },
      { name: 'lose', title: trans.__('lose'), of: row => row.lose },
      hours('used', trans.__('used'), each => each.used_h),
      hours('lent', trans.__('lent'), each => each.lent_h),
      hours('idle', trans.__('idle'), each => each.idle_h),
      hours('jobs', trans.__('jobs'), each => each.jobs_h)
    ];
  }, [preview, trans]);
  return (
    <>
      <LongTable
        name="past-groups"
        label={trans.__('Who gains and who loses')}
        columns={columns}
        rows={rows}
        keyOf={row => (row === preview.in_all ? ALL : `group ${row.group ?? ''}`)}
        sort={sort}
        onSort={setSort}
      />
      {preview.left_out > 0 && <p>{trans.__('%1 more are left out.', preview.left_out)}</p>}
    </>
  );
}

function Persons(props: {
  name: string;
  title: string;
  persons: readonly PastPerson[];
}): React.JSX.Element | null {
  const { trans } = useConsole();
  if (props.persons.length === 0) {
    return null;
  }
  return (
    <div data-sublet={props.name}>
      <h5>{props.title}</h5>
      <ul>
        {props.persons.map(each => (
          <li key={each.owner}>
            {trans.__(
              '%1: computes %2 h (in force %3 h), waits %4 h (in force %5 h)',
              each.owner,
              decimal(each.computed_after_h),
              decimal(each.computed_before_h),
              decimal(each.waited_after_h),
              decimal(each.waited_before_h)
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}

function Figures({ lines }: { lines: readonly PastLine[] }): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <table
      className="past-figures"
      data-sublet="past-figures"
      aria-label={trans.__('What differs')}
    >
      <thead>
        <tr>
          <th scope="col">{trans.__('what')}</th>
          <th scope="col">{trans.__('in force')}</th>
          <th scope="col">{trans.__('draft')}</th>
          <th scope="col">{trans.__('difference')}</th>
        </tr>
      </thead>
      <tbody>
        {lines.map(line => (
          <tr key={line.what}>
            <th scope="row">{line.what}</th>
            <td className="number">{figure(line.before, line.unit, trans)}</td>
            <td className="number">{figure(line.after, line.unit, trans)}</td>
            <td className="number">{difference(line, trans) || '='}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Truth({ lines }: { lines: readonly PastTruthLine[] }): React.JSX.Element {
  const { trans } = useConsole();
  const shown = (line: PastTruthLine, value: number): string =>
    figure(value, line.unit === 'h' || line.unit === 's' ? line.unit : '', trans);
  return (
    <table className="past-figures" aria-label={trans.__('How true it is, figure by figure')}>
      <thead>
        <tr>
          <th scope="col">{trans.__('what')}</th>
          <th scope="col">{trans.__('recorded')}</th>
          <th scope="col">{trans.__('simulated')}</th>
          <th scope="col">{trans.__('error')}</th>
        </tr>
      </thead>
      <tbody>
        {lines.map(line => (
          <tr key={`${line.what} of ${line.group ?? ''}`}>
            <th scope="row">
              {line.what}, {line.group ?? trans.__('no group')}
            </th>
            <td className="number">{shown(line, line.real)}</td>
            <td className="number">{shown(line, line.simulated)}</td>
            <td className="number">
              {line.error === null ? '–' : `${decimal(100 * line.error)} %`}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function save(csv: string): void {
  const address = URL.createObjectURL(new Blob([csv], { type: 'text/csv;charset=utf-8' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = 'past-days.csv';
  link.click();
  URL.revokeObjectURL(address);
}
