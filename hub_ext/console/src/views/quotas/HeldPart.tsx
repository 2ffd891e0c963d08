/** Who of a group holds what, and which jobs of it there are, for its admins. */
import { gib, percent } from '@sublet-lab/format/quantities';
import type { TranslationBundle } from '@sublet-lab/format/translation';
import { useCallback, useMemo, useState } from 'react';

import type { Job, Slice } from '../../api/types';
import { LongTable, type Column } from '../../controls/LongTable';
import { Moment } from '../../controls/Moment';
import { usePolling } from '../../controls/usePolling';
import { Question } from '../../model/asked';
import { useConsole } from '../../model/console';
import { holdingOf } from '../../model/holding';
import { useStore } from '../../model/store';
import { whereWord } from '../cards/words';

export function HeldPart({ group }: { group: string }): React.JSX.Element {
  const { trans, client } = useConsole();
  const slices = useMemo(
    () => new Question(() => client.get('/slices', { group })),
    [client, group]
  );
  const jobs = useMemo(() => new Question(() => client.get('/jobs', { group })), [client, group]);
  const ask = useCallback(() => {
    void slices.refresh();
    void jobs.refresh();
  }, [slices, jobs]);
  usePolling(ask);
  return (
    <>
      <Held
        name="group-slices"
        title={trans.__('Slices')}
        none={trans.__('Nobody of this group holds a slice.')}
        asked={useStore(slices.store)}
        columns={useMemo(() => sliceColumns(trans), [trans])}
        keyOf={each => each.lease.slice_id}
      />
      <Held
        name="group-jobs"
        title={trans.__('Jobs')}
        none={trans.__('This group has no jobs.')}
        asked={useStore(jobs.store)}
        columns={useMemo(() => jobColumns(trans), [trans])}
        keyOf={each => each.job_id}
      />
    </>
  );
}

function Held<T>(props: {
  name: string;
  title: string;
  none: string;
  asked: { value: readonly T[] | null; problem: string | null };
  columns: readonly Column<T>[];
  keyOf: (row: T) => string;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { value, problem } = props.asked;
  const [sort, setSort] = useState('');
  return (
    <section className="part" aria-label={props.title} data-sublet={props.name}>
      <h2>{props.title}</h2>
      {problem !== null && <p className="why">{problem}</p>}
      {value === null ? (
        problem === null && <p role="status">{trans.__('Asking who holds what …')}</p>
      ) : value.length === 0 ? (
        <p>{props.none}</p>
      ) : (
        <LongTable
          name={`${props.name}-table`}
          label={props.title}
          columns={props.columns}
          rows={value}
          keyOf={props.keyOf}
          sort={sort}
          onSort={setSort}
        />
      )}
    </section>
  );
}

function sliceColumns(trans: TranslationBundle): Column<Slice>[] {
  return [
    { name: 'owner', title: trans.__('owner'), of: each => each.lease.owner },
    {
      name: 'what',
      title: trans.__('for'),
      of: each =>
        each.lease.holder === 'job'
          ? trans.__('a training job')
          : each.lease.server === ''
            ? trans.__('default server')
            : each.lease.server
    },
    { name: 'group', title: trans.__('group'), of: each => each.group ?? '' },
    { name: 'type', title: trans.__('type'), of: each => each.lease.gpu_type },
    {
      name: 'cap',
      title: trans.__('cap'),
      of: each => each.lease.memory_mib,
      shown: each => `${gib(each.lease.memory_mib)} ${percent(each.lease.compute_milli)}`
    },
    {
      name: 'now',
      title: trans.__('now'),
      of: each => whereWord(holdingOf(each), trans)
    },
    { name: 'rank', title: trans.__('by right of'), of: each => each.rank?.word ?? '' },
    {
      name: 'since',
      title: trans.__('held since'),
      of: each => each.lease.created_at,
      shown: each => <Moment at={each.lease.created_at} />
    }
  ];
}

function jobColumns(trans: TranslationBundle): Column<Job>[] {
  return [
    { name: 'owner', title: trans.__('owner'), of: each => each.owner },
    { name: 'name', title: trans.__('job'), of: each => each.name },
    { name: 'state', title: trans.__('state'), of: each => each.state },
    { name: 'why', title: trans.__('why'), of: each => each.reason },
    {
      name: 'cells',
      title: trans.__('cells'),
      of: each => each.cells_done,
      shown: each =>
        each.cells_total === null ? '–' : trans.__('%1 of %2', each.cells_done, each.cells_total)
    },
    {
      name: 'submitted',
      title: trans.__('submitted'),
      of: each => each.submitted_at,
      shown: each => <Moment at={each.submitted_at} />
    }
  ];
}
