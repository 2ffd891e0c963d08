/** One who waits: since when, why, for whom, until when, and what would help. */
import { inLocalTime, secondsBetween, sentence, span } from '@sublet-lab/format/quantities';

import type { Waiting } from '../../api/types';
import { Moment } from '../../controls/Moment';
import { Tag } from '../../controls/Tag';
import { useConsole } from '../../model/console';
import { useGroup } from '../../shell/group';
import { cardOf } from './filter';
import { WaitDetails } from './WaitDetails';
import { kindWord, toneOf, whatOf } from './words';

export function WaitRow(props: {
  waiting: Waiting;
  now: Date;
  open: boolean;
  onOpen: (open: boolean) => void;
}): React.JSX.Element {
  const { trans, session } = useConsole();
  const group = useGroup();
  const { waiting, now, open } = props;
  const isOfMany = session.sees_all || group !== null;
  const what = whatOf(waiting, trans);
  const name = isOfMany ? `${waiting.owner} · ${what}` : what;
  const kind = kindWord(waiting.kind, trans);
  const place = [waiting.group, waiting.gpu_type, cardOf(waiting)].filter(each => each !== null);
  return (
    <article
      className="card"
      aria-label={`${kind}: ${name}`}
      data-sublet="wait"
      data-sublet-kind={waiting.kind}
      data-sublet-owner={waiting.owner}
      data-sublet-code={waiting.code}
    >
      <div className="card-head">
        <Tag tone={toneOf(waiting.kind)}>{kind}</Tag>
        {isOfMany ? (
          <button
            type="button"
            className="card-name"
            aria-expanded={open}
            onClick={() => {
              props.onOpen(!open);
            }}
          >
            {name}
          </button>
        ) : (
          <b className="wait-name">{name}</b>
        )}
        <span className="quiet">{place.join(' · ')}</span>
        <span className="figures">
          {waiting.place !== null && (
            <span data-sublet="wait-place">{trans.__('place %1', waiting.place)}</span>
          )}
          <span>
            {trans.__('for %1', span(trans, secondsBetween(new Date(waiting.since), now)))}{' '}
            <span className="quiet">
              ({trans.__('since')} <Moment at={waiting.since} now={now} />)
            </span>
          </span>
        </span>
      </div>
      <Facts waiting={waiting} now={now} />
      {open && <WaitDetails waiting={waiting} />}
    </article>
  );
}

function Facts({ waiting, now }: { waiting: Waiting; now: Date }): React.JSX.Element {
  const { trans } = useConsole();
  const { waits_for, helps, expected_at, expected_why } = waiting;
  return (
    <dl className="wait-facts">
      <div className="wait-why">
        <dt>{trans.__('Why')}</dt>
        <dd data-sublet="wait-why">{sentence(inLocalTime(waiting.reason, now))}</dd>
      </div>
      <div>
        <dt>{trans.__('Waits for')}</dt>
        <dd data-sublet="wait-for">
          {waits_for.length === 0 ? (
            <span className="quiet">{trans.__('nobody’s slice')}</span>
          ) : (
            waits_for.join(', ')
          )}
        </dd>
      </div>
      <div>
        <dt>{trans.__('Expected')}</dt>
        <dd data-sublet="wait-expected">
          {expected_at !== null && <Moment at={expected_at} now={now} />}{' '}
          {expected_at === null && expected_why === '' && trans.__('not known')}
          <span className="quiet">{inLocalTime(expected_why, now)}</span>
        </dd>
      </div>
      <div className="wait-helps">
        <dt>{trans.__('What would help')}</dt>
        <dd data-sublet="wait-helps">
          {helps.length === 0 ? (
            <span className="quiet">{trans.__('nothing was found')}</span>
          ) : (
            helps.map(each => inLocalTime(each.words, now)).join('; ')
          )}
        </dd>
      </div>
    </dl>
  );
}
