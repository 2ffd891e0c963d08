/** The promote dialog's body: filled in sensibly, with a live forecast. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { limit } from '@sublet-lab/format/quantities';
import * as React from 'react';

import type { SubletApi } from '../api/client';
import type { Decision } from '../api/decision';
import { DecisionPart } from '../controls/decisionPart';
import { Choice, Field, TextField } from './fields';
import {
  longestRunOf,
  MOST_RETRIES,
  nameHelp,
  requestOf,
  type Form,
  type Problems,
  type Subject
} from './form';
import { FilesPart } from './FilesPart';
import { ForecastLine } from './ForecastLine';
import type { ParameterField, Readings } from './parameters';

const SECRET = /TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY/i;

/** Why a job was not submitted, and what the service says beside its sentence. */
export interface Refusal {
  text: string;
  decision: Decision | null;
}

export interface PromoteFormProps {
  api: SubletApi;
  trans: TranslationBundle;
  subject: Subject;
  form: Form;
  problems: Problems;
  readings: Readings;
  /** Why what is typed could not be read. */
  unreadable: string | null;
  /** Why the last attempt to submit was refused. */
  refusal: Refusal | null;
  /** The job is on its way: nothing can be changed. */
  submitting: boolean;
  /** It takes so long that the dialog may be closed meanwhile. */
  mayLeave: boolean;
  set: (form: Form) => void;
}

export function PromoteForm(props: PromoteFormProps): React.JSX.Element {
  const { trans, subject, form, problems } = props;
  const isWrong = Object.keys(problems).length > 0;
  const request = isWrong ? null : requestOf(form, subject, props.readings, trans);
  const set = (change: Partial<Form>): void => {
    props.set({ ...form, ...change });
  };
  const part = { trans, subject, form, problems, set };
  return (
    <div className="sublet-promote" data-sublet="promote-form" aria-busy={props.submitting}>
      <Notices trans={trans} subject={subject} refusal={props.refusal} />
      <fieldset className="sublet-fields" disabled={props.submitting}>
        <TextField
          name="name"
          label={trans.__('Name')}
          value={form.name}
          help={nameHelp(form, trans)}
          problem={problems.name}
          set={name => {
            set({ name });
          }}
        />
        <SizePart {...part} />
        <GroupPart {...part} />
        <ParameterPart {...part} />
        <FilesPart {...part} />
        <details className="sublet-more" data-sublet="promote-more">
          <summary>{moreWords(form, problems, trans)}</summary>
          <LimitPart {...part} />
          <EnvironmentPart {...part} />
        </details>
      </fieldset>
      {props.submitting ? (
        <p className="sublet-forecast" role="status" data-sublet="submitting">
          {trans.__('Submitting… What the job runs is being copied.')}
          {props.mayLeave &&
            ` ${trans.__('This takes long: you can close this, and are told what came of it.')}`}
        </p>
      ) : (
        <ForecastLine
          api={props.api}
          trans={trans}
          request={request}
          isWrong={isWrong}
          unreadable={props.unreadable}
        />
      )}
    </div>
  );
}

export interface PartProps {
  trans: TranslationBundle;
  subject: Subject;
  form: Form;
  problems: Problems;
  set: (change: Partial<Form>) => void;
}

function Notices(props: {
  trans: TranslationBundle;
  subject: Subject;
  refusal: Refusal | null;
}): React.JSX.Element {
  const { trans, subject } = props;
  const { inspection } = subject;
  const runs = trans._n('%1 cell runs.', '%1 cells run.', inspection.cells);
  const skipped =
    inspection.left_out === 0
      ? ''
      : trans._n(
          '%1 cell tagged skip or interactive is left out.',
          '%1 cells tagged skip or interactive are left out.',
          inspection.left_out
        );
  return (
    <>
      <p className="sublet-quiet" data-sublet="promote-cells">
        {subject.path} · {runs} {skipped}
      </p>
      <p className="sublet-quiet" data-sublet="promote-as-now">
        {trans.__('The job runs the notebook as it is now: later edits do not change it.')}{' '}
        {trans.__('With nothing taken along it runs in the notebook’s folder.')}
      </p>
      {inspection.problems.map(problem => (
        <p
          key={problem}
          className="sublet-said sublet-bad"
          role="alert"
          data-sublet="promote-problem"
        >
          {problem}
        </p>
      ))}
      {props.refusal !== null && (
        <>
          <p className="sublet-said sublet-bad" role="alert" data-sublet="promote-refusal">
            {props.refusal.text}
          </p>
          <DecisionPart trans={trans} decision={props.refusal.decision} />
        </>
      )}
    </>
  );
}

function SizePart({ trans, form, problems, set }: PartProps): React.JSX.Element {
  return (
    <>
      <Choice
        name="size"
        legend={trans.__('Runs on')}
        value={form.whole ? 'whole' : 'slice'}
        options={[
          { value: 'whole', label: trans.__('whole GPUs') },
          { value: 'slice', label: trans.__('a slice of one') }
        ]}
        set={value => {
          set({ whole: value === 'whole' });
        }}
      />
      {form.whole ? (
        <TextField
          name="gpus"
          label={trans.__('How many GPUs')}
          numeric
          value={form.gpus}
          problem={problems.gpus}
          set={gpus => {
            set({ gpus });
          }}
        />
      ) : (
        <>
          <TextField
            name="memory"
            label={trans.__('Memory (GiB)')}
            numeric
            value={form.memory_gib}
            problem={problems.memory}
            set={memory_gib => {
              set({ memory_gib });
            }}
          />
          <TextField
            name="compute"
            label={trans.__('Compute (%)')}
            numeric
            value={form.compute_percent}
            problem={problems.compute}
            set={compute_percent => {
              set({ compute_percent });
            }}
          />
        </>
      )}
    </>
  );
}

/** Who has several groups may say which of them pays. */
function GroupPart({ trans, subject, form, set }: PartProps): React.JSX.Element | null {
  if (subject.groups.length < 2) {
    return null;
  }
  return (
    <Field name="group" label={trans.__('Group that pays')}>
      {ids => (
        <select
          {...ids}
          value={form.group}
          onChange={event => {
            set({ group: event.target.value });
          }}
        >
          <option value="">{trans.__('whichever fits best')}</option>
          {subject.groups.map(group => (
            <option key={group} value={group}>
              {group}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function ParameterPart({ trans, subject, form, problems, set }: PartProps): React.JSX.Element {
  if (subject.fields.length === 0) {
    return (
      <p className="sublet-quiet">
        {trans.__(
          'No parameters: tag a cell “parameters”, and the variables in it can be changed here.'
        )}
      </p>
    );
  }
  const setOne = (field: ParameterField, text: string): void => {
    set({ parameters: { ...form.parameters, [field.name]: text } });
  };
  return (
    <fieldset className="sublet-group">
      <legend>{trans.__('Parameters')}</legend>
      {subject.fields.map(field =>
        field.kind === 'bool' ? (
          <Field
            key={field.name}
            name={field.name}
            label={field.name}
            kind={field.kind}
            help={field.help}
          >
            {ids => (
              <select
                {...ids}
                value={form.parameters[field.name]}
                onChange={event => {
                  setOne(field, event.target.value);
                }}
              >
                {!isLiteral(field) && (
                  <option value={field.initial}>{trans.__('as in the notebook')}</option>
                )}
                <option>True</option>
                <option>False</option>
              </select>
            )}
          </Field>
        ) : (
          <TextField
            key={field.name}
            name={field.name}
            label={field.name}
            kind={field.kind === 'any' ? undefined : field.kind}
            help={field.help}
            value={form.parameters[field.name] ?? ''}
            lines={/[\r\n]/.test(field.initial)}
            problem={problems[`parameter:${field.name}`]}
            set={text => {
              setOne(field, text);
            }}
          />
        )
      )}
    </fieldset>
  );
}

/** Whether one of the two values stands in the cell, and nothing that is reckoned. */
function isLiteral(field: ParameterField): boolean {
  return field.initial === 'True' || field.initial === 'False';
}

/** What is in the closed part, and when the job is stopped: who never opens it is to know. */
function moreWords(form: Form, problems: Problems, trans: TranslationBundle): string {
  if (problems.hours !== undefined) {
    return trans.__('Limits and environment');
  }
  const longest_s = longestRunOf(form);
  return longest_s === null
    ? trans.__('Limits and environment')
    : trans.__(
        'Limits and environment · stops after %1, pauses not counted',
        limit(trans, longest_s)
      );
}

function LimitPart({ trans, form, problems, set }: PartProps): React.JSX.Element {
  return (
    <>
      <TextField
        name="hours"
        label={trans.__('Longest run (hours)')}
        help={trans.__('Pauses included. Empty: as long as your quota lets a job run.')}
        numeric
        value={form.hours}
        problem={problems.hours}
        set={hours => {
          set({ hours });
        }}
      />
      <Field
        name="retries"
        label={trans.__('Retries')}
        help={trans.__('How often it is begun anew after it has failed.')}
      >
        {ids => (
          <select
            {...ids}
            value={form.retries}
            onChange={event => {
              set({ retries: Number(event.target.value) });
            }}
          >
            {Array.from({ length: MOST_RETRIES + 1 }, (_, count) => (
              <option key={count} value={count}>
                {count}
              </option>
            ))}
          </select>
        )}
      </Field>
    </>
  );
}

function EnvironmentPart({ trans, subject, form, set }: PartProps): React.JSX.Element | null {
  if (subject.inspection.environment.length === 0) {
    return null;
  }
  return (
    <fieldset className="sublet-group">
      <legend>{trans.__('Environment variables that it reads')}</legend>
      {subject.inspection.environment.map(name => (
        <TextField
          key={name}
          name={`environment:${name}`}
          label={name}
          placeholder={trans.__('not changed')}
          secret={SECRET.test(name)}
          value={form.environment[name] ?? ''}
          set={value => {
            set({ environment: { ...form.environment, [name]: value } });
          }}
        />
      ))}
    </fieldset>
  );
}
