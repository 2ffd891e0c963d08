/** What is looked for among those who wait, and among the loans. */
import { useMemo } from 'react';

import type { Waits } from '../../api/types';
import { Choice } from '../../controls/Choice';
import { useConsole } from '../../model/console';
import { LOAN_SORTS, SORTS, valuesOf, type Filter } from './filter';
import { codeWord, KINDS, kindWord, loanSortWord, sortWord } from './words';

type Option = readonly [string, string];

export function WaitFilterBar(props: {
  waits: Waits;
  filter: Filter;
  onChange: (changed: Partial<Filter>) => void;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { filter, onChange } = props;
  return (
    <search className="filter">
      <input
        type="search"
        aria-label={trans.__('Search')}
        placeholder={trans.__('who, whom, group, job, node, reason, …')}
        value={filter.text}
        data-sublet="search"
        onChange={event => {
          onChange({ text: event.target.value });
        }}
      />
      {filter.part === 'waits' ? (
        <WaitChoices {...props} />
      ) : (
        <Choice
          label={trans.__('Order')}
          value={filter.loans}
          options={LOAN_SORTS.map(each => [each, loanSortWord(each, trans)])}
          onChange={loans => {
            onChange({ loans });
          }}
        />
      )}
    </search>
  );
}

function WaitChoices(props: {
  waits: Waits;
  filter: Filter;
  onChange: (changed: Partial<Filter>) => void;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { filter, onChange } = props;
  const { sums, waiting } = props.waits;
  const any: Option = ['', trans.__('any')];
  const codes = useMemo(() => valuesOf(sums, each => each.code), [sums]);
  const groups = useMemo(() => valuesOf(waiting, each => each.group), [waiting]);
  const types = useMemo(() => valuesOf(waiting, each => each.gpu_type), [waiting]);
  return (
    <>
      <Choice
        label={trans.__('What')}
        value={filter.kind}
        options={[any, ...KINDS.map((each): Option => [each, kindWord(each, trans)])]}
        onChange={kind => {
          onChange({ kind });
        }}
      />
      <Choice
        label={trans.__('Why')}
        value={filter.code}
        options={[
          any,
          ...withOwn(codes, filter.code).map((each): Option => [each, codeWord(each)])
        ]}
        onChange={code => {
          onChange({ code });
        }}
      />
      <Choice
        label={trans.__('Group')}
        value={filter.group}
        options={[any, ...withOwn(groups, filter.group).map((each): Option => [each, each])]}
        onChange={group => {
          onChange({ group });
        }}
      />
      <Choice
        label={trans.__('Type')}
        value={filter.type}
        options={[any, ...withOwn(types, filter.type).map((each): Option => [each, each])]}
        onChange={type => {
          onChange({ type });
        }}
      />
      <Choice
        label={trans.__('Order')}
        value={filter.sort}
        options={SORTS.map(each => [each, sortWord(each, trans)])}
        onChange={sort => {
          onChange({ sort });
        }}
      />
    </>
  );
}

/** What is chosen stays among what can be, also when it is nobody's any more. */
function withOwn(values: readonly string[], chosen: string): readonly string[] {
  return chosen === '' || values.includes(chosen) ? values : [...values, chosen];
}
