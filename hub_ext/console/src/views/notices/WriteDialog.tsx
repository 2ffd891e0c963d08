/** Write a notice to whom one chooses. */
import { useMemo, useState } from 'react';

import { messageOf } from '../../api/client';
import type { MadeAnnouncement } from '../../api/types';
import { Choice } from '../../controls/Choice';
import { Field } from '../../controls/Dialog';
import { useAnswer } from '../../model/answer';
import { useConsole } from '../../model/console';
import { useStore } from '../../model/store';
import type { Notice } from '../cards/deeds';
import { AUDIENCES, AUDIENCES_OF_GROUPS, audienceWord, proposed, type Audience } from './audience';
import { NoticeDialog } from './NoticeDialog';

const MOST_NAME = 255;
const NAMES = 'notice-names';

export function WriteDialog(props: {
  onClose: () => void;
  onTold: (made: MadeAnnouncement) => void;
}): React.JSX.Element {
  const { trans, client, session } = useConsole();
  const audiences = session.admin ? AUDIENCES : AUDIENCES_OF_GROUPS;
  const [audience, setAudience] = useState<Audience>(session.admin ? 'owner' : 'group');
  const [name, setName] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const names = useNames(audience);
  const send = (notice: Notice): void => {
    setBusy(true);
    setProblem(null);
    const asked = { ...notice, audience, name: audience === 'all' ? null : name };
    client.post('/announcements', asked).then(props.onTold, (error: unknown) => {
      setBusy(false);
      setProblem(messageOf(error));
    });
  };
  return (
    <NoticeDialog
      title={trans.__('Write a notice')}
      busy={busy}
      problem={problem}
      onClose={props.onClose}
      onDo={send}
    >
      <div className="field">
        <Choice
          label={trans.__('To')}
          value={audience}
          options={audiences.map(each => [each, audienceWord(each, trans)] as const)}
          onChange={chosen => {
            setAudience(chosen);
            setName('');
          }}
        />
      </div>
      {!session.admin && (
        <p className="quiet">
          {trans.__(
            'To a group of yours or below it, or to a user who is in no other. They read who sends it.'
          )}
        </p>
      )}
      {audience !== 'all' && (
        <Field label={trans.__('Name')}>
          {id => (
            <>
              <input
                id={id}
                required
                maxLength={MOST_NAME}
                list={NAMES}
                autoComplete="off"
                value={name}
                onChange={event => {
                  setName(event.target.value);
                }}
              />
              <datalist id={NAMES}>
                {names.map(each => (
                  <option key={each} value={each} />
                ))}
              </datalist>
            </>
          )}
        </Field>
      )}
    </NoticeDialog>
  );
}

/** Groups are asked for when one is meant. */
function useNames(audience: Audience): readonly string[] {
  const { cards, client } = useConsole();
  const { list } = useStore(cards.store);
  const asksGroups = audience === 'group';
  const ask = useMemo(
    () => (asksGroups ? () => client.get('/quota/tree') : null),
    [client, asksGroups]
  );
  const groups = useAnswer(ask).value?.groups.flatMap(each => each.share.group ?? []) ?? [];
  return proposed(audience, list ?? [], groups);
}
