/**
 * What admins tell owners now: a new notice is written here, and one is taken back. Admins of
 * groups see, write and take back what such tell within theirs.
 */
import { useEffect, useRef, useState } from 'react';

import { messageOf } from '../../api/client';
import type { Announcement } from '../../api/types';
import { Moment } from '../../controls/Moment';
import { useConsole } from '../../model/console';
import { useStore, useStoreIf } from '../../model/store';
import { toWhom } from './audience';
import { DeliveriesPart } from './DeliveriesPart';
import { WriteDialog } from './WriteDialog';

export function NoticesView(): React.JSX.Element {
  const { trans, session, notices, groups } = useConsole();
  const mayWrite = useStore(groups).length > 0 || session.admin;
  const asked = useStore(notices.store);
  const [writing, setWriting] = useState(false);
  const [said, setSaid] = useState<string | null>(null);
  const write = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    void notices.refresh();
  }, [notices]);
  return (
    <div data-sublet="notices">
      <p>
        {trans.__(
          'Who is meant reads them in JupyterLab, here at “My share”, and where a server is started. Nobody else does.'
        )}
      </p>
      {mayWrite && (
        <button
          ref={write}
          type="button"
          className="primary"
          onClick={() => {
            setSaid(null);
            setWriting(true);
          }}
        >
          {trans.__('Write a notice…')}
        </button>
      )}
      <p role="status" data-sublet="said">
        {said}
      </p>
      {asked.problem !== null && <p className="why">{asked.problem}</p>}
      {asked.value?.length === 0 && (
        <p className="quiet">{trans.__('Nothing is told to anybody.')}</p>
      )}
      <ul className="plain" aria-label={trans.__('Notices, the newest first')}>
        {asked.value?.map(each => (
          <OneNotice
            key={each.announcement_id}
            told={each}
            onWithdrawn={words => {
              setSaid(words);
              // The button that was pressed is gone.
              write.current?.focus();
            }}
          />
        ))}
      </ul>
      {session.sees_all && <DeliveriesPart />}
      {writing && (
        <WriteDialog
          onClose={() => {
            setWriting(false);
          }}
          onTold={made => {
            setWriting(false);
            setSaid(
              made.warning === null
                ? trans.__('It is told.')
                : trans.__('It is told, but: %1.', made.warning)
            );
            void notices.refresh();
          }}
        />
      )}
    </div>
  );
}

function OneNotice(props: {
  told: Announcement;
  onWithdrawn: (words: string) => void;
}): React.JSX.Element {
  const { trans, session, client, cards, notices, groups } = useConsole();
  const { told } = props;
  const isOfGroup = useStore(groups).length > 0 && told.within.length > 0;
  const shown = useStoreIf(cards.store, told.audience === 'card');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const withdraw = (): void => {
    setBusy(true);
    client.post('/announcements/withdraw', { announcement_id: told.announcement_id }).then(
      () => {
        props.onWithdrawn(trans.__('Taken back: %1', told.text));
        void notices.refresh();
      },
      (error: unknown) => {
        setBusy(false);
        setProblem(messageOf(error));
      }
    );
  };
  return (
    <li className="part mine" data-sublet="notice">
      <header>
        <b>{trans.__('To %1', toWhom(told, shown?.list ?? [], trans))}</b>{' '}
        <span className="quiet">
          {told.within.length === 0
            ? trans.__('by %1', told.made_by)
            : trans.__('by %1, admin of %2', told.made_by, told.within.join(', '))}{' '}
          · <Moment at={told.made_at} /> · {trans.__('until')} <Moment at={told.until} />
        </span>
      </header>
      <p>{told.text}</p>
      {(session.admin || (isOfGroup && !session.sees_all)) && (
        <button type="button" disabled={busy} onClick={withdraw}>
          {trans.__('Take back')}
        </button>
      )}
      {problem !== null && (
        <p className="bad" role="alert">
          {problem}
        </p>
      )}
    </li>
  );
}
