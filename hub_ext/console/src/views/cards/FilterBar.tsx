/** What is looked for among the cards. */
import type { Card } from '../../api/types';
import { Choice } from '../../controls/Choice';
import { useConsole } from '../../model/console';
import { SHOWS, SORTS, typeOf, valuesOf, type Filter } from './filter';
import { HEALTHS } from './health';
import { showWord, sortWord } from './words';

export function FilterBar(props: {
  cards: readonly Card[];
  filter: Filter;
  onChange: (filter: Filter) => void;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { cards, filter } = props;
  const set = (part: Partial<Filter>): void => {
    props.onChange({ ...filter, ...part });
  };
  return (
    <search className="filter">
      <input
        type="search"
        aria-label={trans.__('Search')}
        placeholder={trans.__('owner, group, node, type, …')}
        value={filter.text}
        data-sublet="search"
        onChange={event => {
          set({ text: event.target.value });
        }}
      />
      <Choice
        label={trans.__('Show')}
        value={filter.show}
        options={SHOWS.map(each => [each, showWord(each, trans)])}
        onChange={show => {
          set({ show });
        }}
      />
      <Choice
        label={trans.__('Health')}
        value={filter.health}
        options={[['', trans.__('any')], ...HEALTHS.map(each => [each, each] as const)]}
        onChange={health => {
          set({ health });
        }}
      />
      <Choice
        label={trans.__('Pool')}
        value={filter.pool}
        options={[['', trans.__('any')], ...pairs(valuesOf(cards, each => each.pool))]}
        onChange={pool => {
          set({ pool });
        }}
      />
      <Choice
        label={trans.__('Type')}
        value={filter.type}
        options={[['', trans.__('any')], ...pairs(valuesOf(cards, typeOf))]}
        onChange={type => {
          set({ type });
        }}
      />
      <Choice
        label={trans.__('Order')}
        value={filter.sort}
        options={SORTS.map(each => [each, sortWord(each, trans)])}
        onChange={sort => {
          set({ sort });
        }}
      />
    </search>
  );
}

function pairs(values: readonly string[]): (readonly [string, string])[] {
  return values.map(each => [each, each] as const);
}
