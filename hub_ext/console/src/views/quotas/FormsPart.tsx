/** Forms beside the text, for what is changed most: each writes into the document, and no more. */
import type { TranslationBundle } from '@sublet-lab/format/translation';
import { useMemo, useState, type FormEvent } from 'react';

import { Field } from '../../controls/Dialog';
import { useConsole } from '../../model/console';
import { UnreadableError } from './edits';
import { EMPTY, KINDS, KINDS_WITHIN, wishOf, type Fields, type Kind } from './fields';
import { dayAfter, groupsIn, namesOf, NoGroupError, typesIn, withWish } from './wishes';

const WEEK = 7;

export function FormsPart(props: {
  text: string;
  /** The groups of whose part this is the text: what is below them is set. `null`: it is all. */
  within: readonly string[] | null;
  /** The types of cards that are known beside those that the text names. */
  types: readonly string[];
  onEdit: (text: string, line: number) => void;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { text, within, onEdit } = props;
  const [fields, setFields] = useState(EMPTY);
  const [problem, setProblem] = useState<string | null>(null);
  const types = useMemo(
    () => [...new Set([...typesIn(text), ...props.types])].sort(),
    [text, props.types]
  );
  const groups = useMemo(
    () => groupsIn(text).filter(each => within?.includes(each) !== true),
    [text, within]
  );
  const write = (event: FormEvent): void => {
    event.preventDefault();
    try {
      const edited = withWish(text, wishOf(fields));
      setProblem(null);
      setFields({ ...EMPTY, kind: fields.kind, what: fields.what, until: fields.until });
      onEdit(edited.text, edited.line);
    } catch (error) {
      setProblem(wordsOf(error, trans));
    }
  };
  const set = (changed: Partial<Fields>): void => {
    setFields({ ...fields, ...changed });
  };
  return (
    <section className="part" aria-labelledby="forms" data-sublet="forms">
      <h2 id="forms">{trans.__('Change by a form')}</h2>
      <form onSubmit={write}>
        <Field label={trans.__('What')}>
          {id => (
            <select
              id={id}
              value={fields.kind}
              data-sublet="form-kind"
              onChange={event => {
                set({ kind: event.target.value as Kind });
              }}
            >
              {(within === null ? KINDS : KINDS_WITHIN).map(each => (
                <option key={each} value={each}>
                  {kindWords(each, within === null, trans)}
                </option>
              ))}
            </select>
          )}
        </Field>
        <datalist id="quota-groups">
          {groups.map(each => (
            <option key={each} value={each} />
          ))}
        </datalist>
        <datalist id="quota-types">
          {types.map(each => (
            <option key={each} value={each} />
          ))}
        </datalist>
        {fields.kind === 'exception' && (
          <WhoFields {...{ fields, set }} ofPeople={within === null} />
        )}
        {['group', 'each', 'guarantee'].includes(fields.kind) && (
          <GroupField {...{ fields, set }} />
        )}
        {fields.kind === 'reservation' && <ReservationFields {...{ fields, set }} />}
        {fields.kind === 'guarantee' && (
          <div className="fields">
            <CardsFields {...{ fields, set }} />
          </div>
        )}
        {['exception', 'group', 'each', 'everyone'].includes(fields.kind) && (
          <AmountFields {...{ fields, set, types }} />
        )}
        {fields.kind === 'exception' && <EndFields {...{ fields, set }} />}
        {problem !== null && (
          <p className="bad" role="alert">
            {problem}
          </p>
        )}
        <button type="submit">{trans.__('Write it into the document')}</button>
      </form>
    </section>
  );
}

interface Part {
  readonly fields: Fields;
  readonly set: (changed: Partial<Fields>) => void;
}

function WhoFields({ fields, set, ofPeople }: Part & { ofPeople: boolean }): React.JSX.Element {
  const { trans } = useConsole();
  const names = namesOf(fields.who);
  return (
    <>
      {ofPeople && (
        <Field
          label={trans.__('People')}
          hint={
            names.length > 1
              ? trans._n('%1 person', '%1 people', names.length)
              : trans.__('One, or many at once: with spaces, commas or lines between them.')
          }
        >
          {id => (
            <textarea
              id={id}
              rows={2}
              value={fields.who}
              required={fields.groups.trim() === ''}
              onChange={event => {
                set({ who: event.target.value });
              }}
            />
          )}
        </Field>
      )}
      <Line
        label={trans.__('Groups')}
        value={fields.groups}
        list="quota-groups"
        optional={ofPeople}
        onChange={groups => {
          set({ groups });
        }}
      />
    </>
  );
}

function GroupField({ fields, set }: Part): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <Line
      label={trans.__('Group')}
      value={fields.group}
      list="quota-groups"
      onChange={group => {
        set({ group });
      }}
    />
  );
}

function AmountFields({
  fields,
  set,
  types
}: Part & { types: readonly string[] }): React.JSX.Element {
  const { trans } = useConsole();
  const kinds: [string, string][] = [
    ['limit.cards', trans.__('cards of all types')],
    ...types.map((each): [string, string] => [`limit.${each}`, trans.__('cards of %1', each)]),
    ['limit.memory', trans.__('memory')],
    ['limit.slices', trans.__('slices')],
    ['jobs.most', trans.__('jobs, waiting or running')],
    ['jobs.limit.cards', trans.__('cards of running jobs')]
  ];
  return (
    <div className="fields">
      <Field label={trans.__('At most')}>
        {id => (
          <input
            id={id}
            required
            placeholder={fields.what === 'limit.memory' ? '40 GiB' : '2'}
            value={fields.amount}
            onChange={event => {
              set({ amount: event.target.value });
            }}
          />
        )}
      </Field>
      <Field label={trans.__('of')}>
        {id => (
          <select
            id={id}
            value={fields.what}
            onChange={event => {
              set({ what: event.target.value });
            }}
          >
            {kinds.map(([value, word]) => (
              <option key={value} value={value}>
                {word}
              </option>
            ))}
          </select>
        )}
      </Field>
    </div>
  );
}

function EndFields({ fields, set }: Part): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <>
      <div className="fields">
        <Line
          label={trans.__('Till (the day is included)')}
          type="date"
          value={fields.until}
          optional
          onChange={until => {
            set({ until });
          }}
        />
        <div className="deeds-line">
          <button
            type="button"
            onClick={() => {
              set({ until: dayAfter(new Date(), WEEK) });
            }}
          >
            {trans.__('For a week')}
          </button>
        </div>
      </div>
      <Line
        label={trans.__('Why (whom it concerns reads it)')}
        value={fields.why}
        onChange={why => {
          set({ why });
        }}
      />
    </>
  );
}

function ReservationFields({ fields, set }: Part): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <>
      <Line
        label={trans.__('Name')}
        value={fields.name}
        onChange={name => {
          set({ name });
        }}
      />
      <GroupField {...{ fields, set }} />
      <div className="fields">
        <CardsFields {...{ fields, set }} />
        <Line
          label={trans.__('When')}
          value={fields.at}
          hint="Mon,Wed 14:00-16:00"
          onChange={at => {
            set({ at });
          }}
        />
        <Line
          label={trans.__('By the clock of')}
          value={fields.zone}
          onChange={zone => {
            set({ zone });
          }}
        />
        <Line
          label={trans.__('Last day')}
          type="date"
          value={fields.until}
          optional
          onChange={until => {
            set({ until });
          }}
        />
      </div>
    </>
  );
}

function CardsFields({ fields, set }: Part): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <>
      <Line
        label={trans.__('Cards')}
        value={fields.amount}
        onChange={amount => {
          set({ amount });
        }}
      />
      <Line
        label={trans.__('of the type')}
        value={fields.gpu_type}
        list="quota-types"
        onChange={gpu_type => {
          set({ gpu_type });
        }}
      />
    </>
  );
}

function Line(props: {
  label: string;
  value: string;
  list?: string;
  hint?: string;
  type?: 'date';
  optional?: boolean;
  onChange: (value: string) => void;
}): React.JSX.Element {
  return (
    <Field label={props.label} {...(props.hint === undefined ? {} : { hint: props.hint })}>
      {id => (
        <input
          id={id}
          type={props.type ?? 'text'}
          required={props.optional !== true}
          value={props.value}
          {...(props.list === undefined ? {} : { list: props.list })}
          onChange={event => {
            props.onChange(event.target.value);
          }}
        />
      )}
    </Field>
  );
}

function kindWords(kind: Kind, ofPeople: boolean, trans: TranslationBundle): string {
  switch (kind) {
    case 'exception':
      return ofPeople
        ? trans.__('An exception, for people or groups')
        : trans.__('An exception, for groups');
    case 'group':
      return trans.__('The limit of a group');
    case 'each':
      return trans.__('The limit of each person in a group');
    case 'guarantee':
      return trans.__('The guarantee of a group');
    case 'everyone':
      return trans.__('The limit of each person');
    case 'reservation':
      return trans.__('A reservation');
  }
}

function wordsOf(error: unknown, trans: TranslationBundle): string {
  if (error instanceof NoGroupError) {
    return trans.__('The document has no group %1: write it there first.', error.message);
  }
  if (error instanceof UnreadableError) {
    return trans.__('The text is no YAML as it is: mend it first.');
  }
  return error instanceof Error ? error.message : String(error);
}
