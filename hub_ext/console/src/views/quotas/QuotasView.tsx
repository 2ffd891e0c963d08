/** Who holds what of the quotas, the document that says so, what it said before, and what is when. */
import type { TranslationBundle } from '@sublet-lab/format/translation';
import { lazy, Suspense, useEffect } from 'react';

import type { QuotaInForce } from '../../api/types';
import { GroupChoice } from '../../controls/GroupChoice';
import { Moment } from '../../controls/Moment';
import { useConsole } from '../../model/console';
import { useStore } from '../../model/store';
import { useGroup } from '../../shell/group';
import { useQuery } from '../../shell/router';
import { CalendarPart } from './CalendarPart';
import { HeldPart } from './HeldPart';
import { HistoryPart } from './HistoryPart';
import { isAnyChanged, isChanged, quotasOf, type Quotas } from './model';
import { PARTS, PARTS_OF_GROUP, partOf, partTitle, showPart, type Part } from './parts';
import { TreePart } from './TreePart';

/** Apart, as its editor is larger than all the rest. */
const DocumentPart = lazy(async () => ({
  default: (await import('./DocumentPart')).DocumentPart
}));

export function QuotasView(): React.JSX.Element {
  const console = useConsole();
  const { session } = console;
  const chosen = useGroup();
  const [first] = useStore(console.groups);
  const group = session.sees_all ? null : (chosen ?? first ?? null);
  return (
    <>
      {group !== null && <GroupChoice group={group} withOwn={false} />}
      <QuotasShown key={group ?? ''} quotas={quotasOf(console, group)} />
    </>
  );
}

function QuotasShown({ quotas }: { quotas: Quotas }): React.JSX.Element {
  const console = useConsole();
  const { trans } = console;
  const { group } = quotas;
  const asked = useStore(quotas.quota.store);
  const changed = isChanged(useStore(quotas.draft));
  const told = useStore(console.quotaTold);
  const parts: readonly Part[] = group === null ? PARTS : PARTS_OF_GROUP;
  const part = partOf(useQuery(), parts);
  useEffect(() => {
    void quotas.quota.refresh();
  }, [quotas, told]);
  useLeavingQuestion(changed || isAnyChanged(console));
  const quota = asked.value;
  return (
    <>
      {quota === null ? (
        <p role="status">{asked.problem ?? trans.__('Asking for the quotas …')}</p>
      ) : (
        <>
          {asked.problem !== null && <p className="why">{asked.problem}</p>}
          <Source quota={quota} group={group} />
        </>
      )}
      <nav className="sub-bar" aria-label={trans.__('Quotas')}>
        <ul>
          {parts.map(each => (
            <li key={each}>
              <PartButton part={each} open={each === part} changed={changed} />
            </li>
          ))}
        </ul>
      </nav>
      {part === 'tree' && <TreePart quotas={quotas} />}
      {part === 'held' && group !== null && <HeldPart group={group} />}
      {quota !== null && part === 'document' && (
        <Suspense fallback={<p role="status">{trans.__('Fetching the editor …')}</p>}>
          <DocumentPart quotas={quotas} quota={quota} />
        </Suspense>
      )}
      {quota !== null && part === 'history' && <HistoryPart quotas={quotas} quota={quota} />}
      {quota !== null && part === 'calendar' && <CalendarPart {...{ quota, group }} />}
    </>
  );
}

function PartButton(props: { part: Part; open: boolean; changed: boolean }): React.JSX.Element {
  const { trans } = useConsole();
  const { part, open, changed } = props;
  return (
    <button
      type="button"
      {...(open ? { 'aria-current': 'true' as const } : {})}
      data-sublet={`part-${part}`}
      onClick={() => {
        showPart(part);
      }}
    >
      {part === 'document' && changed
        ? trans.__('%1 (changed)', partTitle(part, trans))
        : partTitle(part, trans)}
    </button>
  );
}

/** Where the document comes from, and what is wrong there. */
function Source(props: { quota: QuotaInForce; group: string | null }): React.JSX.Element {
  const { trans } = useConsole();
  const { quota, group } = props;
  return (
    <>
      <p className="quiet" data-sublet="source">
        {group === null ? (
          <>
            {sourceOf(quota, trans)} {trans.__('Read by the service at')}{' '}
            {quota.loaded_at !== null && <Moment at={quota.loaded_at} dated />}
          </>
        ) : (
          sourceOfPart(quota, group, trans)
        )}
      </p>
      {quota.errors.length > 0 && (
        <div className="note note-warn" role="status" data-sublet="file-errors">
          <p>{trans.__('The file is wrong now, and what it said before stays in force:')}</p>
          <ul>
            {quota.errors.map(each => (
              <li key={each}>{each}</li>
            ))}
          </ul>
        </div>
      )}
      {quota.warnings.length > 0 && (
        <details className="note" data-sublet="warnings">
          <summary>{trans._n('%1 warning', '%1 warnings', quota.warnings.length)}</summary>
          <ul>
            {quota.warnings.map(each => (
              <li key={each}>{each}</li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

/** When the whole document was changed last, and which revision that made, is others' business. */
function sourceOfPart(quota: QuotaInForce, group: string, trans: TranslationBundle): string {
  return quota.kept_in === 'database'
    ? trans.__(
        'What the quota document says of the group %1 and all below it. What is below it is yours to set, within what the group has.',
        group
      )
    : trans.__(
        'What the quota document says of the group %1 and all below it. It comes from a file, and is read-only here: whoever keeps that file changes it.',
        group
      );
}

function sourceOf(quota: QuotaInForce, trans: TranslationBundle): string {
  if (quota.kept_in === 'database') {
    return trans.__('Revision %1, kept in the service’s database.', quota.revision ?? 0);
  }
  return quota.path === null
    ? trans.__(
        'There is no document: this is what holds when nobody says. It is read-only here; give the service a quota_file, or quota_source "database" to change quotas on this page.'
      )
    : trans.__(
        'The document comes from the file %1, and is read-only here: change the file, and the service takes it up.',
        quota.path
      );
}

/** Whoever leaves the page with a draft is asked by the browser; other views keep it. */
function useLeavingQuestion(changed: boolean): void {
  useEffect(() => {
    if (!changed) {
      return;
    }
    const ask = (event: BeforeUnloadEvent): void => {
      event.preventDefault();
    };
    window.addEventListener('beforeunload', ask);
    return () => {
      window.removeEventListener('beforeunload', ask);
    };
  }, [changed]);
}
