/** What one group, or I, hold of what is guaranteed and allowed; and which line says so. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { cardNumber, cards, gib } from '@sublet-lab/format/quantities';
import * as React from 'react';

import type { GroupShare, JobsShare, RightLine, TypeShare } from '../api/quota';
import { UseBar } from '../controls/bar';
import type { PageContext } from '../controls/pageContext';

export function Account(props: {
  page: PageContext;
  share: GroupShare;
  rights: RightLine[];
}): React.JSX.Element {
  const { page, share, rights } = props;
  const { trans } = page;
  const who = accountName(trans, share);
  return (
    <div className="sublet-account" data-sublet="account">
      <div className="sublet-account-head">
        <span className="sublet-cut" title={share.path.join(' / ') || who}>
          {who}
        </span>
        <span className="sublet-number">{total(trans, share)}</span>
      </div>
      {share.limit_mib !== null && (
        <UseBar
          label={trans.__('Memory of %1', who)}
          text={trans.__('%1 of at most %2', gib(share.held_mib), gib(share.limit_mib))}
          whole={share.limit_mib}
          parts={[{ kind: 'on-gpu', amount: share.held_mib }]}
        />
      )}
      {share.types.map(each => (
        <TypeBar key={each.gpu_type} page={page} who={who} share={each} />
      ))}
      {share.jobs_apart !== null && <JobsPart page={page} who={who} jobs={share.jobs_apart} />}
      <Sources page={page} rights={rights} />
    </div>
  );
}

/** What running jobs have by a limit of their own. */
function JobsPart(props: {
  page: PageContext;
  who: string;
  jobs: JobsShare;
}): React.JSX.Element | null {
  const { page, who, jobs } = props;
  const { trans } = page;
  const together = [
    ...(jobs.limit_cards === null
      ? []
      : [
          trans.__('%1 of at most %2', cardNumber(jobs.held_cards), cards(trans, jobs.limit_cards))
        ]),
    ...(jobs.limit_mib === null
      ? []
      : [trans.__('%1 of at most %2', gib(jobs.held_mib), gib(jobs.limit_mib))]),
    ...(jobs.most_running === null
      ? []
      : [trans.__('%1 of at most %2 slices', String(jobs.running), String(jobs.most_running))])
  ];
  if (together.length === 0 && jobs.types.length === 0) {
    return null;
  }
  return (
    <div className="sublet-account" data-sublet="jobs-apart">
      <div className="sublet-account-head">
        <span>{trans.__('Jobs, apart')}</span>
        <span className="sublet-quiet sublet-number">{together.join(' · ')}</span>
      </div>
      {jobs.types.map(each => (
        <TypeBar
          key={each.gpu_type}
          page={page}
          who={trans.__('jobs of %1', who)}
          share={{ ...each, jobs: 0, entitled: 0, borrowed: null, guaranteed: 0 }}
        />
      ))}
    </div>
  );
}

function accountName(trans: TranslationBundle, share: GroupShare): string {
  if (share.group === null) {
    return trans.__('You');
  }
  return share.left
    ? trans.__('Group %1 (no longer yours)', share.group)
    : trans.__('Group %1', share.group);
}

/** All types together: memory, and cards where these have a limit. */
function total(trans: TranslationBundle, share: GroupShare): string {
  const memory =
    share.limit_mib === null
      ? gib(share.held_mib)
      : trans.__('%1 of at most %2', gib(share.held_mib), gib(share.limit_mib));
  if (share.limit_cards === null) {
    return memory;
  }
  const held = cardNumber(share.held_cards);
  return `${memory} · ${trans.__('%1 of at most %2', held, cards(trans, share.limit_cards))}`;
}

function TypeBar(props: { page: PageContext; who: string; share: TypeShare }): React.JSX.Element {
  const { trans } = props.page;
  const { gpu_type, held, jobs, guaranteed, limit } = props.share;
  const borrowed = props.share.borrowed ?? 0;
  const facts = [
    limit === null
      ? trans.__('%1 held', cards(trans, held))
      : trans.__('%1 of at most %2', cardNumber(held), cards(trans, limit)),
    ...(guaranteed > 0 ? [trans.__('%1 guaranteed', cardNumber(guaranteed))] : []),
    ...(borrowed > 0 ? [trans.__('%1 borrowed', cardNumber(borrowed))] : []),
    ...(jobs > 0 ? [trans.__('%1 by jobs', cardNumber(jobs))] : [])
  ];
  const text = facts.join(', ');
  const whole = limit ?? Math.max(guaranteed, held);
  return (
    <div data-sublet="type-share">
      <div className="sublet-account-head">
        <span className="sublet-cut" title={gpu_type}>
          {gpu_type}
        </span>
        <span className="sublet-quiet sublet-number">{text}</span>
      </div>
      {whole > 0 && (limit !== null || guaranteed > 0) && (
        <UseBar
          label={trans.__('%1 of %2', gpu_type, props.who)}
          text={text}
          whole={whole}
          parts={[
            { kind: 'on-gpu', amount: held - borrowed },
            { kind: 'borrowed', amount: borrowed }
          ]}
          mark={guaranteed}
        />
      )}
    </div>
  );
}

/** Open to the keyboard too, which a tooltip is not. */
function Sources(props: { page: PageContext; rights: RightLine[] }): React.JSX.Element | null {
  const { trans } = props.page;
  if (props.rights.length === 0) {
    return null;
  }
  return (
    <details className="sublet-sources" data-sublet="sources">
      <summary>{trans.__('Where this comes from')}</summary>
      <ul className="sublet-list">
        {props.rights.map(each => (
          <li key={`${each.right} ${each.source}`} data-sublet="right">
            <span className="sublet-grow">
              {each.right}: {each.value}
            </span>
            <span className="sublet-quiet">
              {each.line === null
                ? each.source
                : trans.__('%1, line %2', each.source, String(each.line))}
            </span>
          </li>
        ))}
      </ul>
    </details>
  );
}
