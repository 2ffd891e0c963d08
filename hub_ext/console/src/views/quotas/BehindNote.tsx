/** Somebody else has put another document in force since a draft was begun: what they changed. */
import { useEffect } from 'react';

import type { QuotaInForce, RevisionInfo } from '../../api/types';
import { Moment } from '../../controls/Moment';
import { useConsole } from '../../model/console';
import { useStore } from '../../model/store';
import { Difference } from './Difference';
import { merged } from './lines';
import type { Draft, Quotas } from './model';

export function BehindNote(props: {
  quotas: Quotas;
  quota: QuotaInForce;
  draft: Draft;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { quotas, quota, draft } = props;
  const listed = useStore(quotas.revisions.store).value;
  useEffect(() => {
    void quotas.revisions.refresh();
  }, [quotas, quota.revision, quota.part]);
  const base = draft.base?.text ?? '';
  const together = merged(base, draft.text, quota.text);
  // The changes of a part have no numbers: the newest made it what it is.
  const since = (listed ?? []).filter(each =>
    quota.part === null ? (each.revision ?? 0) > (draft.base?.revision ?? 0) : each.in_force
  );
  return (
    <section className="note note-warn" role="alert" data-sublet="behind">
      <h2>
        {quota.part === null
          ? trans.__(
              'Revision %1 is in force, and you began with revision %2',
              quota.revision ?? 0,
              draft.base?.revision ?? 0
            )
          : trans.__('What is in force of this group is another than what you began with')}
      </h2>
      <ul>
        {since.map(each => (
          <Since key={each.revision ?? each.change} made={each} />
        ))}
      </ul>
      <h3>{trans.__('What they changed')}</h3>
      <Difference label={trans.__('What they changed')} before={base} after={quota.text} />
      <h3>{trans.__('What you changed')}</h3>
      <Difference label={trans.__('What you changed')} before={base} after={draft.text} />
      <p>
        {together === null
          ? trans.__(
              'Both are in the same place. Nothing is overwritten: begin with what is in force and write yours anew, or go on with your text, which takes theirs back where the two differ.'
            )
          : trans.__('They are in different places: yours can be put onto what is in force.')}
      </p>
      <div className="deeds-line">
        {together === null ? (
          <button
            type="button"
            onClick={() => {
              quotas.rebase(quota, draft.text);
            }}
          >
            {trans.__('Go on with my text')}
          </button>
        ) : (
          <button
            type="button"
            className="primary"
            onClick={() => {
              quotas.rebase(quota, together);
            }}
          >
            {trans.__('Put mine onto it')}
          </button>
        )}
        <button
          type="button"
          onClick={() => {
            quotas.drop(quota);
          }}
        >
          {trans.__('Drop mine')}
        </button>
      </div>
    </section>
  );
}

function Since({ made }: { made: RevisionInfo }): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <li>
      {made.revision === null
        ? made.reason === ''
          ? trans.__('Changed last by %1', made.author)
          : trans.__('Changed last by %1: %2', made.author, made.reason)
        : trans.__('Revision %1 by %2: %3', made.revision, made.author, made.reason)}{' '}
      <span className="quiet">
        <Moment at={made.made_at} />
      </span>
    </li>
  );
}
