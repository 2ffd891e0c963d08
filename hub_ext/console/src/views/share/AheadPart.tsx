/** What will be taken from me unless something happens before, and the button that puts it off. */
import { inLocalTime, span } from '@sublet-lab/format/quantities';
import type { TranslationBundle } from '@sublet-lab/format/translation';
import { useRef, useState } from 'react';

import { messageOf } from '../../api/client';
import type { Ahead } from '../../api/types';
import { Moment } from '../../controls/Moment';
import { useConsole } from '../../model/console';

const S_PER_MIN = 60;
const USUAL_KEEP_MIN = 30;

export function AheadPart({ ahead }: { ahead: readonly Ahead[] }): React.JSX.Element | null {
  const { trans } = useConsole();
  const [said, setSaid] = useState<string | null>(null);
  const part = useRef<HTMLElement>(null);
  if (ahead.length === 0 && said === null) {
    return null;
  }
  return (
    <section ref={part} tabIndex={-1} className="part" aria-labelledby="ahead" data-sublet="ahead">
      <h2 id="ahead">{trans.__('What will be taken')}</h2>
      <p role="status" data-sublet="said">
        {said}
      </p>
      {ahead.map(each => (
        <OneAhead
          key={each.notice_id}
          ahead={each}
          onDone={words => {
            setSaid(words);
            // The row, with the button that was pressed, may be gone with the next answer.
            part.current?.focus();
          }}
        />
      ))}
    </section>
  );
}

function OneAhead(props: { ahead: Ahead; onDone: (words: string) => void }): React.JSX.Element {
  const { ahead } = props;
  const now = new Date();
  return (
    <article
      className={ahead.is_near ? 'mine note note-warn' : 'mine'}
      aria-label={ahead.what}
      data-sublet="ahead-row"
      data-sublet-kind={ahead.kind}
    >
      <p>
        {ahead.at !== null && (
          <b>
            <Moment at={ahead.at} />:{' '}
          </b>
        )}
        {inLocalTime(ahead.what, now)}
      </p>
      <p className="quiet">{inLocalTime(ahead.why, now)}</p>
      <p>{inLocalTime(ahead.advice, now)}</p>
      {ahead.why_no_deed !== '' && (
        <p className="quiet" data-sublet="why-no-deed">
          {inLocalTime(ahead.why_no_deed, now)}
        </p>
      )}
      <PutOff {...props} />
    </article>
  );
}

function PutOff(props: {
  ahead: Ahead;
  onDone: (words: string) => void;
}): React.JSX.Element | null {
  const { trans, client, share } = useConsole();
  const { slice_id, deed, deed_s } = props.ahead;
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  if (slice_id === null || deed_s === null || (deed !== 'extend' && deed !== 'keep')) {
    return null;
  }
  const minutes = Math.min(USUAL_KEEP_MIN, Math.floor(deed_s / S_PER_MIN));
  const length = span(trans, deed === 'extend' ? deed_s : minutes * S_PER_MIN);
  const putOff = (): void => {
    setBusy(true);
    setProblem(null);
    const done =
      deed === 'extend'
        ? client.post('/slices/{slice_id}/extend', {}, { slice_id })
        : client.post('/slices/{slice_id}/keep', { minutes }, { slice_id });
    done
      .then(
        () => {
          props.onDone(saidOf(deed, length, trans));
        },
        (error: unknown) => {
          setProblem(messageOf(error));
        }
      )
      .finally(() => {
        setBusy(false);
        void share.refresh();
      });
  };
  return (
    <>
      <button type="button" disabled={busy} onClick={putOff} data-sublet={deed}>
        {deed === 'extend' ? trans.__('Extend by %1', length) : trans.__('Keep for %1', length)}
      </button>
      {problem !== null && (
        <p className="bad" role="alert">
          {problem}
        </p>
      )}
    </>
  );
}

function saidOf(deed: 'extend' | 'keep', length: string, trans: TranslationBundle): string {
  return deed === 'extend'
    ? trans.__('Your server may stay idle for %1 again, from now on.', length)
    : trans.__('Kept: nobody else uses your slice for %1.', length);
}
