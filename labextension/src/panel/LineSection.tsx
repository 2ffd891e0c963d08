/** My servers that wait in line for a slice: where, until when, for whom, and how to leave. */
import { inLocalTime, moment, sentence, serverName } from '@sublet-lab/format/quantities';
import * as React from 'react';

import type { LineWait } from '../api/line';
import { waitingIcon } from '../controls/icons';
import { Button, useHeir } from '../controls/button';
import {
  Said,
  Section,
  Sign,
  useAction,
  type Action,
  type PageContext
} from '../controls/pageContext';

export function LineSection({ page, now }: { page: PageContext; now: Date }): React.JSX.Element {
  const { trans, model } = page;
  const action = useAction(model);
  // It stays when nothing waits any more, so that the keyboard is somewhere.
  const place = React.useRef<HTMLDivElement>(null);
  const waits = model.line?.value ?? [];
  return (
    <div ref={place} tabIndex={-1} className="sublet-line-place" data-sublet="line-place">
      {(waits.length > 0 || action.said !== null) && (
        <Section
          name="line"
          title={trans.__('Waiting in line')}
          stale={model.line?.fresh === false}
        >
          <ul className="sublet-jobs">
            {waits.map(each => (
              <WaitItem
                key={each.server}
                page={page}
                wait={each}
                now={now}
                action={action}
                heir={place}
              />
            ))}
          </ul>
          <Said trans={trans} said={action.said} />
        </Section>
      )}
    </div>
  );
}

function WaitItem(props: {
  page: PageContext;
  wait: LineWait;
  now: Date;
  action: Action;
  heir: React.RefObject<HTMLElement>;
}): React.JSX.Element {
  const { page, wait, now, action, heir } = props;
  const { trans, model } = page;
  const button = useHeir<HTMLButtonElement>(heir);
  const name = serverName(trans, wait.server);
  const leave = async (): Promise<string> => {
    await model.api.leaveLine(wait.server);
    return trans.__('In line no more: %1.', name);
  };
  return (
    <li className="sublet-job" data-sublet="in-line" aria-label={trans.__('%1, in line', name)}>
      <div className="sublet-job-head">
        <span className="sublet-grow sublet-strong">
          {wait.title === '' ? name : `${name} · ${wait.title}`}
        </span>
        <span className="sublet-job-sign" data-sublet="line-number">
          <Sign icon={waitingIcon}>{trans.__('place %1', wait.place)}</Sign>
        </span>
      </div>
      {wait.expected_why !== '' && (
        <p data-sublet="line-expected">{inLocalTime(sentence(wait.expected_why), now)}</p>
      )}
      {wait.waits_for.length > 0 && (
        <p className="sublet-quiet" data-sublet="line-for">
          {trans.__('In the way are slices of %1.', wait.waits_for.join(', '))}
        </p>
      )}
      <p className="sublet-quiet" data-sublet="line-until">
        {wait.until === null
          ? trans.__('It starts by itself when its turn comes.')
          : trans.__(
              'It starts by itself when its turn comes, or leaves the line at %1.',
              moment(wait.until, now)
            )}
      </p>
      {wait.message !== '' && (
        <details className="sublet-decision">
          <summary>{trans.__('Why it waits')}</summary>
          <p>{inLocalTime(wait.message, now)}</p>
        </details>
      )}
      <div className="sublet-row">
        <Button
          ref={button}
          off={action.busy}
          aria-label={trans.__('Leave the line: %1', name)}
          onClick={() => {
            action.run(leave);
          }}
          data-sublet="line-leave"
        >
          {trans.__('Leave the line')}
        </Button>
      </div>
    </li>
  );
}
