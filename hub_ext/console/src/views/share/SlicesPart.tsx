/** My slices, of servers and of jobs. */
import { gib, heldOfCap, percent } from '@sublet-lab/format/quantities';

import type { Share, Slice } from '../../api/types';
import { Meter } from '../../controls/Meter';
import { Moment } from '../../controls/Moment';
import { ShareKept } from '../../controls/ShareKept';
import { Tag } from '../../controls/Tag';
import { useConsole } from '../../model/console';

export function SlicesPart({ share }: { share: Share }): React.JSX.Element {
  const { trans, session } = useConsole();
  return (
    <section className="part" aria-labelledby="slices" data-sublet="slices">
      <h2 id="slices">{trans.__('Slices')}</h2>
      {share.slices.length === 0 && (
        <p>
          {trans.__('You hold no slice.')}{' '}
          <a href={`${session.hub}home`}>{trans.__('Start a server at the hub')}</a>
        </p>
      )}
      {share.servers_waiting > 0 && (
        <p>
          {trans._n(
            '%1 server of yours waits in line for a slice.',
            '%1 servers of yours wait in line for a slice.',
            share.servers_waiting
          )}
        </p>
      )}
      {share.slices.map(each => (
        <OneSlice key={each.lease.slice_id} slice={each} />
      ))}
    </section>
  );
}

function OneSlice({ slice }: { slice: Slice }): React.JSX.Element {
  const { trans } = useConsole();
  const { lease, report, standing, rank } = slice;
  const name =
    lease.holder === 'job'
      ? trans.__('a training job')
      : lease.server === ''
        ? trans.__('default server')
        : lease.server;
  const used_mib = (report?.memory_mib ?? 0) + (report?.host_mib ?? 0);
  const words =
    report === null
      ? trans.__('not told')
      : heldOfCap(trans, {
          used_mib,
          cap_mib: lease.memory_mib,
          told: report.memory_told
        });
  return (
    <article className="mine" aria-label={name} data-sublet="my-slice">
      <header>
        <b>{name}</b>{' '}
        <span className="quiet">
          {lease.gpu_type} · {gib(lease.memory_mib)} · {percent(lease.compute_milli)}
          {lease.simulated ? ` · ${trans.__('simulated')}` : ''}
        </span>{' '}
        {slice.silent ? (
          <Tag tone="bad">{trans.__('not reachable')}</Tag>
        ) : (
          standing !== null && (
            <Tag tone={standing.code === 'active' ? 'good' : 'plain'} title={standing.meaning}>
              {standing.word}
            </Tag>
          )
        )}{' '}
        {rank !== null && (
          <Tag tone={rank.code === 'called-back' ? 'warn' : 'plain'} title={rank.meaning}>
            {rank.word}
          </Tag>
        )}
      </header>
      <Meter
        label={trans.__('Memory')}
        words={words}
        used={used_mib}
        whole={lease.memory_mib}
        warn={slice.warnings.length > 0}
      />
      <ShareKept slice={slice} />
      {slice.cap_kept !== null && (
        <p className="quiet" title={slice.cap_kept.meaning} data-sublet="cap-kept-by">
          {trans.__('Memory cap kept by %1', slice.cap_kept.words)}
        </p>
      )}
      {slice.lent_to.length > 0 && (
        <p>
          {trans.__('Lent to %1', slice.lent_to.join(', '))}
          {slice.lent_since !== null && (
            <>
              {' '}
              {trans.__('since')} <Moment at={slice.lent_since} />
            </>
          )}
        </p>
      )}
      {slice.waits_for.length > 0 && (
        <p>{trans.__('It waits for %1.', slice.waits_for.join(', '))}</p>
      )}
      {slice.warnings.map(each => (
        <p key={each.code} className="why">
          {each.clause} {each.advice}
        </p>
      ))}
      {rank !== null && <p className="quiet">{rank.meaning}</p>}
    </article>
  );
}
