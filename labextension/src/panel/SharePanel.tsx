/** The side bar's panel. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { IDisposable } from '@lumino/disposable';
import type { Message } from '@lumino/messaging';
import { clock, gib, sentence, serverName } from '@sublet-lab/format/quantities';
import * as React from 'react';

import { JobSection } from '../jobs/JobList';
import { situationOf } from '../model/situation';
import { useModel, type PageContext } from '../controls/pageContext';
import { sliceIcon } from '../controls/icons';
import { AheadPart } from './AheadPart';
import { Announcements } from './Announcements';
import { HistoryChart } from './HistoryChart';
import { KernelList } from './KernelList';
import { LineSection } from './LineSection';
import { OfferSection, QuotaSection, WeekSection } from './QuotaSection';
import { RankSign } from './RankSign';
import { SliceCard } from './SliceCard';

export class SharePanel extends ReactWidget {
  constructor(private readonly page: PageContext) {
    super();
    this.id = 'sublet-share';
    this.addClass('sublet-panel');
    this.node.dataset.sublet = 'panel';
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', page.trans.__('My share of the GPUs'));
    this.title.icon = sliceIcon;
    this.title.caption = page.trans.__('My share of the GPUs');
  }

  override dispose(): void {
    this.stopReading();
    super.dispose();
  }

  protected override render(): React.JSX.Element {
    return <Panel page={this.page} />;
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.reading ??= this.page.model.read();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    if (this.isVisible) {
      this.reading ??= this.page.model.read();
    }
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.stopReading();
  }

  private stopReading(): void {
    this.reading?.dispose();
    this.reading = null;
  }

  private reading: IDisposable | null = null;
}

function Panel({ page }: { page: PageContext }): React.JSX.Element {
  const { trans, model } = page;
  useModel(model);
  const now = new Date();
  const situation = situationOf(model, trans, now);
  return (
    <div className="sublet-panel-body">
      <Banner page={page} />
      <AheadPart page={page} now={now} />
      <Announcements page={page} now={now} />
      {situation === null ? (
        <NoSlice page={page} />
      ) : (
        <SliceCard page={page} situation={situation} now={now} />
      )}
      <LineSection page={page} now={now} />
      <HistoryChart page={page} now={now} />
      <KernelList page={page} />
      <JobSection page={page} now={now} />
      <OtherSlices page={page} />
      <QuotaSection page={page} now={now} />
      <OfferSection page={page} />
      <WeekSection page={page} />
    </div>
  );
}

/** Nothing is to be shown of a slice: there is none, or it cannot be seen. */
function NoSlice({ page }: { page: PageContext }): React.JSX.Element {
  const { trans, model } = page;
  if (model.share !== null) {
    return (
      <p className="sublet-note" data-sublet="no-slice">
        {trans.__(
          'This server has no slice of a GPU. Stop it and start it again from the hub’s control panel, with a size that has one.'
        )}
      </p>
    );
  }
  if (model.isAsking) {
    return <p className="sublet-quiet">{trans.__('Asking how your slice stands…')}</p>;
  }
  // Who would stop the server now might lose what is well and only out of sight.
  return (
    <p className="sublet-note" role="status" data-sublet="unreachable">
      {trans.__(
        'Your slice cannot be reached at the moment. It may well be there: leave this server and its kernels running. It is shown as soon as it can be reached.'
      )}{' '}
      {sentence(model.localProblem ?? '')}
    </p>
  );
}

/** What concerns all of it: the hub does not answer, or lending is off. */
function Banner({ page }: { page: PageContext }): React.JSX.Element | null {
  const { trans, model } = page;
  const share = model.share;
  if (share === null && model.shareProblem !== null) {
    return (
      <p className="sublet-note" role="status" data-sublet="hub-away">
        {trans.__(
          'The hub does not answer. Your quota, your training jobs and the buttons for your slice are missing until it does.'
        )}{' '}
        {sentence(model.shareProblem)}
      </p>
    );
  }
  if (share !== null && !share.fresh) {
    return (
      <p className="sublet-note" role="status" data-sublet="hub-away">
        {trans.__(
          'The hub does not answer. What is grey was last seen at %1.',
          clock(share.at, true)
        )}{' '}
        {sentence(share.problem ?? '')}
      </p>
    );
  }
  if (share?.value.lending === false) {
    return (
      <p className="sublet-note" data-sublet="lending-off">
        {trans.__('An admin has switched lending off: idle slices stay with their owners.')}
      </p>
    );
  }
  return null;
}

/** Slices of my other servers count towards my quota: they are told here. */
function OtherSlices({ page }: { page: PageContext }): React.JSX.Element | null {
  const { trans, model } = page;
  const others = (model.share?.value.slices ?? []).filter(
    each => each.lease.holder === 'notebook' && each.lease.slice_id !== model.sliceId
  );
  if (others.length === 0) {
    return null;
  }
  return (
    <section className="sublet-section" aria-label={trans.__('My other servers')}>
      <header className="sublet-section-head">
        <h3>{trans.__('My other servers')}</h3>
      </header>
      <ul className="sublet-list">
        {others.map(each => (
          <li key={each.lease.slice_id} data-sublet="other-slice">
            <span className="sublet-grow sublet-cut">{serverName(trans, each.lease.server)}</span>
            {each.rank !== null && <RankSign trans={trans} rank={each.rank} />}
            <span className="sublet-number">{gib(each.lease.memory_mib)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
