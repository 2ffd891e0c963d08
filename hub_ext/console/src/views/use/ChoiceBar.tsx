/** Of which time, by what, and in which steps. */
import { Choice as Select } from '../../controls/Choice';
import { useConsole } from '../../model/console';
import { bysFor, SPANS, timesOf, type Choice } from './choice';
import { dayOf, shiftedBy, STEPS } from './steps';
import { byWord, spanWord, stepWord } from './words';

export function ChoiceBar(props: {
  choice: Choice;
  /** Whether the hours are of more people than who looks. */
  isOfMany: boolean;
  onChange: (choice: Choice) => void;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { choice } = props;
  const set = (part: Partial<Choice>): void => {
    props.onChange({ ...choice, ...part });
  };
  return (
    <search className="filter" aria-label={trans.__('What is shown')}>
      <Select
        label={trans.__('Time')}
        value={choice.span}
        options={SPANS.map(each => [each, spanWord(each, trans)])}
        onChange={span => {
          // Whoever wants other days begins with those that are shown.
          const times = timesOf(choice, new Date());
          const last = new Date(times.until.getTime() - 1);
          set(
            span === 'dates'
              ? { span, from: dayOf(times.since), to: dayOf(last) }
              : { span, from: '', to: '' }
          );
        }}
      />
      {choice.span === 'dates' && <Days choice={choice} onChange={set} />}
      <Select
        label={trans.__('By')}
        value={choice.by}
        options={bysFor(props.isOfMany).map(each => [each, byWord(each, trans)])}
        onChange={by => {
          set({ by, of: null, text: '' });
        }}
      />
      <Select
        label={trans.__('Step')}
        value={choice.step}
        options={STEPS.map(each => [each, stepWord(each, trans)])}
        onChange={step => {
          set({ step });
        }}
      />
    </search>
  );
}

function Days(props: {
  choice: Choice;
  onChange: (part: Partial<Choice>) => void;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { choice, onChange } = props;
  const today = dayOf(new Date());
  return (
    <>
      <label>
        <span>{trans.__('From')}</span>
        <input
          type="date"
          value={choice.from}
          max={choice.to === '' ? today : choice.to}
          onChange={event => {
            onChange({ from: event.target.value });
          }}
        />
      </label>
      <label>
        <span>{trans.__('To (that day, too)')}</span>
        <input
          type="date"
          value={choice.to}
          min={choice.from === '' ? shiftedBy(today, -400) : choice.from}
          max={today}
          onChange={event => {
            onChange({ to: event.target.value });
          }}
        />
      </label>
    </>
  );
}
