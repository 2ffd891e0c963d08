/**
 * What will be taken from me unless something happens before.
 *
 * That this server is ended for being idle, and that its slice is kept, stand with the slice, each
 * beside its button. What puts off an end of another server of mine is done there, or on the page
 * of the hub: this server's token acts for this server alone.
 */
import { inLocalTime, moment } from '@sublet-lab/format/quantities';
import * as React from 'react';

import type { Ahead } from '../api/ahead';
import { warningIcon } from '../controls/icons';
import { Section, Sign, type PageContext } from '../controls/pageContext';
import type { ShareModel } from '../model/share';

const WITH_THE_SLICE: readonly string[] = ['server-idle', 'keep-ends'];

export function AheadPart(props: { page: PageContext; now: Date }): React.JSX.Element | null {
  const { page, now } = props;
  const { trans, model } = page;
  const rows = aheadApart(model);
  if (rows.length === 0) {
    return null;
  }
  return (
    <Section
      name="ahead"
      title={trans.__('What will be taken')}
      stale={model.share?.fresh !== true}
    >
      {rows.map(each => (
        <Row key={each.notice_id} page={page} ahead={each} now={now} />
      ))}
    </Section>
  );
}

/** What of it is told in a part of its own. */
export function aheadApart(model: ShareModel): Ahead[] {
  const all = model.share?.value.ahead ?? [];
  return all.filter(each => each.slice_id !== model.sliceId || !WITH_THE_SLICE.includes(each.kind));
}

function Row(props: { page: PageContext; ahead: Ahead; now: Date }): React.JSX.Element {
  const { page, ahead, now } = props;
  const { trans } = page;
  const what = inLocalTime(ahead.what, now);
  const words = ahead.at === null ? what : trans.__('%1: %2', moment(ahead.at, now), what);
  const howElse =
    ahead.deed === null
      ? inLocalTime(ahead.why_no_deed, now)
      : trans.__('It is put off on that server, or on Sublet’s page at the hub.');
  return (
    <div
      className={ahead.is_near ? 'sublet-note sublet-warn' : 'sublet-note'}
      {...(ahead.is_near ? { role: 'status' } : {})}
      data-sublet="ahead-row"
      data-sublet-kind={ahead.kind}
    >
      <p>{ahead.is_near ? <Sign icon={warningIcon}>{words}</Sign> : words}</p>
      <p className="sublet-quiet">{inLocalTime(ahead.why, now)}</p>
      <p>
        {inLocalTime(ahead.advice, now)} {howElse}
      </p>
    </div>
  );
}
