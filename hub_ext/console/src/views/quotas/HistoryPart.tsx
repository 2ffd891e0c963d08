/** What the document said before: who changed it, when and why, what was another, and the way back. */
import { useEffect, useMemo, useState } from 'react';

import { messageOf } from '../../api/client';
import type { QuotaInForce, RevisionInfo, RevisionText } from '../../api/types';
import { Moment } from '../../controls/Moment';
import { Tag } from '../../controls/Tag';
import { useAnswer, type Answer } from '../../model/answer';
import { useConsole } from '../../model/console';
import { useStore } from '../../model/store';
import { Difference } from './Difference';
import type { Quotas } from './model';
import { ReasonDialog } from './ReasonDialog';

export function HistoryPart(props: { quotas: Quotas; quota: QuotaInForce }): React.JSX.Element {
  const { trans } = useConsole();
  const { quotas, quota } = props;
  const isWhole = quotas.group === null;
  const asked = useStore(quotas.revisions.store);
  const [done, setDone] = useState<string | null>(null);
  const isKept = quota.kept_in === 'database';
  useEffect(() => {
    if (isKept) {
      void quotas.revisions.refresh();
    }
  }, [quotas, isKept, quota.revision, quota.part]);
  const newest = asked.value?.find(each => each.in_force)?.revision;
  const isNow = newest === quota.revision;
  useEffect(() => {
    if (isWhole && newest !== undefined && !isNow) {
      // The list may know of a revision before the stream has told of it.
      void quotas.quota.refresh();
    }
  }, [quotas, isWhole, newest, isNow]);
  if (!isKept) {
    return (
      <p>
        {trans.__(
          'There is no history here: the document is kept in a file, and what it said before where that file is kept. With quota_source "database" the service keeps all revisions.'
        )}
      </p>
    );
  }
  if (asked.value === null) {
    return <p role="status">{asked.problem ?? trans.__('Asking for the history …')}</p>;
  }
  return (
    <>
      {asked.problem !== null && <p className="why">{asked.problem}</p>}
      <p role="status" data-sublet="rolled-back">
        {done}
      </p>
      {!isWhole && (
        <p className="quiet">
          {trans.__(
            'What was changed of this group and below it, by whomever. What else was changed is not told.'
          )}
        </p>
      )}
      {asked.value.length === 0 && <p>{trans.__('Nothing was changed yet.')}</p>}
      <ol className="plain" aria-label={trans.__('Revisions, the newest first')}>
        {asked.value.map(each => (
          <Revision key={nameOf(each)} {...{ quotas, quota, isNow, onDone: setDone }} made={each} />
        ))}
      </ol>
    </>
  );
}

function Revision(props: {
  quotas: Quotas;
  quota: QuotaInForce;
  /** Whether the document that is known is the one in force: differences are shown to it. */
  isNow: boolean;
  made: RevisionInfo;
  onDone: (words: string) => void;
}): React.JSX.Element {
  const { trans, session } = useConsole();
  const { quotas, quota, isNow, made } = props;
  const [shown, setShown] = useState(false);
  const [goingBack, setGoingBack] = useState(false);
  const written = useRevision(nameOf(made), quotas.group, shown || goingBack);
  return (
    <li className="part mine" data-sublet="revision" data-sublet-revision={nameOf(made)}>
      <header>
        <b>
          {made.revision === null
            ? trans.__('Change of this group')
            : trans.__('Revision %1', made.revision)}
        </b>{' '}
        {made.in_force && <Tag tone="good">{trans.__('in force')}</Tag>}{' '}
        <span className="quiet">
          {trans.__('by %1', made.author)} · <Moment at={made.made_at} /> ·{' '}
          {trans._n('%1 key is another', '%1 keys are others', made.keys_changed)}
          {made.groups.length > 0 && ` · ${trans.__('group %1', made.groups.join(', '))}`}
        </span>
      </header>
      <ReasonOf made={made} />
      <div className="deeds-line">
        <button
          type="button"
          aria-expanded={shown}
          onClick={() => {
            setShown(!shown);
          }}
        >
          {trans.__('What was changed')}
        </button>
        {session.admin && !made.in_force && (
          <button
            type="button"
            disabled={!isNow}
            onClick={() => {
              setGoingBack(true);
            }}
          >
            {trans.__('Roll back to it…')}
          </button>
        )}
      </div>
      {written.problem !== null && <p className="why">{written.problem}</p>}
      {shown &&
        written.value !== null &&
        (written.value.text_before === null ? (
          <p className="quiet">{trans.__('None before it is kept.')}</p>
        ) : (
          <Difference
            label={trans.__('What was changed')}
            before={written.value.text_before}
            after={written.value.text}
          />
        ))}
      {goingBack && written.value !== null && (
        <RollBack
          {...{ quotas, quota, made }}
          text={written.value.text}
          onClose={() => {
            setGoingBack(false);
          }}
          onDone={words => {
            setGoingBack(false);
            props.onDone(words);
          }}
        />
      )}
    </li>
  );
}

/** By what it is asked for: of a part by no number, which would count others' changes. */
function nameOf(made: RevisionInfo): string {
  return String(made.revision ?? made.change);
}

/** Why it was made; of a part nothing where that was said of more. */
export function ReasonOf({ made }: { made: RevisionInfo }): React.JSX.Element {
  const { trans } = useConsole();
  return made.is_part && made.reason === '' ? (
    <p className="quiet">
      {trans.__('More than this was changed in it: the reason is not told, as it may be of that.')}
    </p>
  ) : (
    <p>{made.reason}</p>
  );
}

/** What an earlier revision says comes in force as a new one: previewed like every other. */
function RollBack(props: {
  quotas: Quotas;
  quota: QuotaInForce;
  made: RevisionInfo;
  text: string;
  onClose: () => void;
  onDone: (words: string) => void;
}): React.JSX.Element {
  const { trans, client } = useConsole();
  const { quotas, quota, made, text } = props;
  const previewed = useStore(quotas.previewed);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  // What is shown is the difference to this one: another in force meanwhile is a conflict.
  const [shown] = useState({ revision: quota.revision ?? 0, text: quota.text });
  useEffect(() => {
    void quotas.preview(text);
  }, [quotas, text]);
  const rollBack = async (reason: string): Promise<void> => {
    setBusy(true);
    try {
      const { about } = await client.post('/quota/rollback', {
        revision: made.revision ?? 0,
        reason,
        expect: shown.revision
      });
      props.onDone(
        trans.__(
          'Revision %1 is in force: it says what revision %2 said.',
          about?.revision ?? 0,
          made.revision ?? 0
        )
      );
    } catch (error) {
      setProblem(messageOf(error));
      setBusy(false);
    }
    void quotas.quota.refresh();
  };
  return (
    <ReasonDialog
      name="roll-back"
      title={trans.__('Put in force what revision %1 said', made.revision ?? 0)}
      deed={trans.__('Roll back')}
      before={shown.text}
      after={text}
      previewed={previewed?.text === text ? previewed : null}
      {...{ busy, problem }}
      onClose={props.onClose}
      onDo={reason => {
        void rollBack(reason);
      }}
    />
  );
}

/** A revision with what it says, asked for when somebody wants to see it. */
function useRevision(
  revision: string,
  group: string | null,
  wanted: boolean
): Answer<RevisionText> {
  const { client } = useConsole();
  const ask = useMemo(
    () =>
      wanted
        ? () =>
            client.get('/quota/revisions/{revision}', group === null ? {} : { group }, {
              revision
            })
        : null,
    [client, revision, group, wanted]
  );
  return useAnswer(ask);
}
