/** My training jobs, the newest first: how far they are, and why they wait. */
import { inLocalTime } from '@sublet-lab/format/quantities';

import type { Job } from '../../api/types';
import { Moment } from '../../controls/Moment';
import { Tag, type Tone } from '../../controls/Tag';
import type { Asked } from '../../model/asked';
import { useConsole } from '../../model/console';

const TONES: Readonly<Record<Job['state'], Tone>> = {
  waiting: 'plain',
  placed: 'plain',
  running: 'good',
  done: 'good',
  failed: 'bad',
  cancelled: 'plain'
};
const SHOWN = 50;

export function JobsPart(props: { asked: Asked<readonly Job[]> }): React.JSX.Element {
  const { trans } = useConsole();
  const all = props.asked.value ?? [];
  const jobs = all.slice(0, SHOWN);
  return (
    <section className="part" aria-labelledby="jobs" data-sublet="jobs">
      <h2 id="jobs">{trans.__('Jobs')}</h2>
      {props.asked.problem !== null && <p className="why">{props.asked.problem}</p>}
      {props.asked.value?.length === 0 && <p className="quiet">{trans.__('No jobs.')}</p>}
      {jobs.map(each => (
        <OneJob key={each.job_id} job={each} />
      ))}
      {all.length > jobs.length && (
        <p className="quiet">
          {trans.__('These are the newest %1. All of them: `sublet jobs list`', jobs.length)}
        </p>
      )}
    </section>
  );
}

function OneJob({ job }: { job: Job }): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <article className="mine" aria-label={job.name} data-sublet="job">
      <header>
        <b>{job.name}</b> <Tag tone={TONES[job.state]}>{job.state}</Tag>{' '}
        {job.stopped !== null && <Tag tone="warn">{job.stopped}</Tag>}{' '}
        <span className="quiet">
          <Moment at={job.submitted_at} />
          {job.cells_total !== null &&
            ` · ${trans.__('%1 of %2 cells', job.cells_done, job.cells_total)}`}
        </span>
      </header>
      {job.reason !== '' && <p className="why">{inLocalTime(job.reason, new Date())}</p>}
      {job.expected_start !== null && (
        <p className="quiet">
          {trans.__('Expected to start at')} <Moment at={job.expected_start} />
        </p>
      )}
    </article>
  );
}
