/** My training jobs: those that are under way first, then the latest that ended. */
import { moment } from '@sublet-lab/format/quantities';
import * as React from 'react';

import { hasEnded, underWay, type Job } from '../api/jobs';
import { Button, useSteady } from '../controls/button';
import { ProgressBar } from '../controls/bar';
import { Said, Section, Sign, useAction, type PageContext } from '../controls/pageContext';
import { jobIcon } from '../controls/icons';
import { isStopped, limitLine, progressOf, stateLine, stateWord } from './words';

const ENDED_SHOWN = 5;

export function JobSection({
  page,
  now
}: {
  page: PageContext;
  now: Date;
}): React.JSX.Element | null {
  const { trans, model } = page;
  const [all, setAll] = React.useState(false);
  const seen = model.jobsSeen;
  if (seen === null) {
    return null;
  }
  const jobs = model.jobs;
  const ended = jobs.filter(hasEnded);
  const shown = [...underWay(jobs), ...(all ? ended : ended.slice(0, ENDED_SHOWN))];
  return (
    <Section
      name="jobs"
      title={trans.__('Training jobs')}
      stale={!seen.fresh}
      aside={
        <button
          type="button"
          onClick={page.actions.promote}
          title={trans.__('Run the open notebook as a training job')}
          data-sublet="promote"
        >
          {trans.__('Promote…')}
        </button>
      }
    >
      {shown.length === 0 ? (
        <p className="sublet-quiet">
          {trans.__(
            'None yet. Promote a notebook: it runs on GPUs that are idle, and goes on when you leave.'
          )}
        </p>
      ) : (
        <ul className="sublet-jobs">
          {shown.map(job => (
            <JobItem key={job.job_id} page={page} job={job} now={now} />
          ))}
        </ul>
      )}
      {ended.length > ENDED_SHOWN && (
        <button
          type="button"
          className="sublet-link"
          onClick={() => {
            setAll(!all);
          }}
        >
          {all ? trans.__('Show fewer') : trans.__('Show all %1 jobs', jobs.length)}
        </button>
      )}
    </Section>
  );
}

function JobItem(props: { page: PageContext; job: Job; now: Date }): React.JSX.Element {
  const { page, job, now } = props;
  const { trans } = page;
  const word = stateWord(job, trans);
  const line = stateLine(job, trans, now);
  const ends = limitLine(job, trans, now);
  const at = job.ended_at ?? job.started_at ?? job.submitted_at;
  return (
    <li
      className={`sublet-job sublet-job-${job.state}`}
      data-sublet="job"
      data-sublet-job={job.job_id}
      data-sublet-state={job.state}
      aria-label={trans.__('%1, %2', job.name, word)}
    >
      <div className="sublet-job-head">
        <span className="sublet-grow sublet-cut sublet-strong" title={job.notebook}>
          {job.name}
        </span>
        <Sign
          icon={jobIcon(job.state, isStopped(job))}
          className={`sublet-job-sign sublet-job-sign-${job.state}`}
        >
          {word}
        </Sign>
      </div>
      {job.state === 'running' && (
        <ProgressBar
          label={trans.__('Progress of %1', job.name)}
          text={line}
          fraction={progressOf(job)}
        />
      )}
      {line !== '' && (
        <p className="sublet-job-line" data-sublet="job-line">
          {line}
        </p>
      )}
      {ends !== '' && (
        <p className="sublet-quiet" data-sublet="job-limit">
          {ends}
        </p>
      )}
      {job.failure !== null && job.failure.traceback !== '' && (
        <details className="sublet-traceback">
          <summary>{trans.__('Traceback')}</summary>
          {/* A scrolling region is reached by keyboard. */}
          {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
          <pre tabIndex={0} data-sublet="traceback">
            {job.failure.traceback}
          </pre>
        </details>
      )}
      <JobActions page={page} job={job} />
      {at !== null && <time dateTime={at.toISOString()}>{moment(at, now)}</time>}
    </li>
  );
}

function JobActions({ page, job }: { page: PageContext; job: Job }): React.JSX.Element {
  const { trans, model, actions } = page;
  const action = useAction(model, hasEnded(job));
  const steady = useSteady(hasEnded(job) ? 'again' : 'cancel');
  const output = job.output_path;
  const again = async (): Promise<string> => {
    await model.api.again(job.job_id);
    return trans.__('It is in the queue once more, as a new job.');
  };
  const cancel = async (): Promise<string> => {
    await model.api.cancel(job.job_id);
    return trans.__('It is told to stop; what it has computed is saved.');
  };
  return (
    <>
      <div
        className="sublet-row"
        role="group"
        aria-label={trans.__('What to do with %1', job.name)}
      >
        {output !== null && hasEnded(job) && (
          <button
            type="button"
            onClick={() => {
              actions.openNotebook(output);
            }}
            data-sublet="job-open"
          >
            {trans.__('Open result')}
          </button>
        )}
        {job.state !== 'waiting' && (
          <button
            type="button"
            onClick={() => {
              actions.followLog(job);
            }}
            data-sublet="job-log"
          >
            {hasEnded(job) ? trans.__('Log') : trans.__('Follow log')}
          </button>
        )}
        <Button
          off={action.busy}
          onClick={steady(() => {
            action.run(hasEnded(job) ? again : cancel);
          })}
          data-sublet={hasEnded(job) ? 'job-again' : 'job-cancel'}
        >
          {hasEnded(job) ? trans.__('Run again') : trans.__('Cancel')}
        </Button>
      </div>
      <Said trans={trans} said={action.said} />
    </>
  );
}
