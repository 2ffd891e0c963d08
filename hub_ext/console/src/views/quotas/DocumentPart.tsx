/** The document as it is written: checked while typing, previewed, and applied with a reason. */
import type { TranslationBundle } from '@sublet-lab/format/translation';
import { useEffect, useMemo, useState } from 'react';

import { isConflict, messageOf } from '../../api/client';
import type { QuotaCheck, QuotaInForce } from '../../api/types';
import { useConsole } from '../../model/console';
import { useStore } from '../../model/store';
import { useQuery } from '../../shell/router';
import { BehindNote } from './BehindNote';
import { useCheck, type CheckedNow } from './check';
import { Difference } from './Difference';
import { Editor, type Place } from './Editor';
import { FormsPart } from './FormsPart';
import { isBehind, isChanged, type Quotas } from './model';
import { lineOf } from './parts';
import { PreviewPart } from './PreviewPart';
import { ReasonDialog } from './ReasonDialog';

export function DocumentPart(props: { quotas: Quotas; quota: QuotaInForce }): React.JSX.Element {
  const { trans, session } = useConsole();
  const { quotas, quota } = props;
  const { group } = quotas;
  const draft = useStore(quotas.draft);
  const withForms = session.admin || group !== null;
  const tree = useStore(quotas.tree.store).value;
  const types = useMemo(
    () => tree?.groups.flatMap(each => each.share.types.map(({ gpu_type }) => gpu_type)) ?? [],
    [tree]
  );
  useEffect(() => {
    if (withForms && group !== null) {
      // A part does not say which types there are.
      void quotas.tree.refresh();
    }
  }, [quotas, withForms, group]);
  const line = lineOf(useQuery());
  const [place, setPlace] = useState<Place | null>(null);
  const checked = useCheck(quotas, draft.text);
  const readOnly = quota.kept_in !== 'database';
  const behind = isBehind(draft, quota);
  useEffect(() => {
    setPlace(line === null ? null : { line, column: 1 });
  }, [line]);
  return (
    <>
      {behind && <BehindNote {...{ quotas, quota, draft }} />}
      {!readOnly && <DraftDeeds {...{ quotas, quota, checked, behind }} />}
      <div className="writing">
        <div>
          <Editor
            label={readOnly ? trans.__('The document, read-only') : trans.__('The document')}
            text={draft.text}
            readOnly={readOnly}
            check={checked.isNow ? (checked.last?.check ?? null) : null}
            place={place}
            onChange={text => {
              quotas.write(text);
            }}
          />
          <CheckLine checked={checked} onPlace={setPlace} />
        </div>
        <div className="beside">
          <Followed quotas={quotas} text={draft.text} />
          {!readOnly && withForms && (
            <FormsPart
              text={draft.text}
              within={quota.groups}
              types={types}
              onEdit={(text, edited) => {
                quotas.write(text);
                setPlace({ line: edited, column: 1 });
              }}
            />
          )}
        </div>
      </div>
    </>
  );
}

function Followed({ quotas, text }: { quotas: Quotas; text: string }): React.JSX.Element | null {
  const { session } = useConsole();
  const previewed = useStore(quotas.previewed);
  // Past days are of everybody, so only who sees all is told of them.
  const past = session.sees_all ? quotas.past : null;
  return previewed?.text === text ? <PreviewPart {...{ previewed, past }} /> : null;
}

function DraftDeeds(props: {
  quotas: Quotas;
  quota: QuotaInForce;
  checked: CheckedNow;
  behind: boolean;
}): React.JSX.Element {
  const { trans, session } = useConsole();
  const { quotas, quota, checked, behind } = props;
  const isWhole = quotas.group === null;
  const mayApply = session.admin || !isWhole;
  const draft = useStore(quotas.draft);
  const previewed = useStore(quotas.previewed);
  const [shown, setShown] = useState(false);
  const [asked, setAsked] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [done, setDone] = useState<string | null>(null);
  const changed = isChanged(draft);
  const isRight = checked.isNow && checked.last?.check.problems.length === 0;
  const isWrong = checked.isNow && (checked.last?.check.problems.length ?? 0) > 0;
  const isPreviewed = previewed?.text === draft.text && previewed.preview !== null;
  const apply = async (reason: string): Promise<void> => {
    setBusy(true);
    try {
      const applied = await quotas.apply(reason);
      if (applied !== null) {
        const revision = applied.about?.revision ?? null;
        setDone(
          revision === null
            ? trans.__('What is said of this group is in force.')
            : trans.__('Revision %1 is in force.', revision)
        );
      }
      setAsked(false);
    } catch (error) {
      setProblem(messageOf(error));
      if (isConflict(error)) {
        // Beside the draft stands then what somebody else changed.
        setAsked(false);
      }
    }
    setBusy(false);
    void quotas.quota.refresh();
  };
  return (
    <>
      <div className="deeds-line" role="group" aria-label={trans.__('With the draft')}>
        <button
          type="button"
          disabled={!isRight || !changed}
          onClick={() => {
            setDone(null);
            void quotas.preview(draft.text);
          }}
        >
          {trans.__('Preview')}
        </button>
        {mayApply && (
          <button
            type="button"
            className="primary"
            disabled={!isRight || !changed || !isPreviewed || behind}
            onClick={() => {
              setDone(null);
              setProblem(null);
              setAsked(true);
            }}
          >
            {trans.__('Apply…')}
          </button>
        )}
        <button
          type="button"
          disabled={!changed}
          aria-expanded={shown}
          onClick={() => {
            setShown(!shown);
          }}
        >
          {trans.__('What I changed')}
        </button>
        <button
          type="button"
          disabled={!changed}
          onClick={() => {
            setProblem(null);
            quotas.drop(quota);
          }}
        >
          {trans.__('Drop my changes')}
        </button>
        <span role="status" className="quiet" data-sublet="applied">
          {done ?? hintOf({ changed, isWrong, isPreviewed, mayApply }, trans)}
        </span>
      </div>
      {problem !== null && !asked && (
        <p className="bad told" role="alert" data-sublet="refused">
          {problem}
        </p>
      )}
      {shown && changed && (
        <Difference
          label={trans.__('What I changed')}
          before={draft.base?.text ?? ''}
          after={draft.text}
        />
      )}
      {asked && (
        <ReasonDialog
          name="apply"
          title={trans.__('Put this document in force')}
          deed={trans.__('Apply')}
          before={draft.base?.text ?? ''}
          after={draft.text}
          previewed={null}
          {...{ busy, problem }}
          onClose={() => {
            setAsked(false);
          }}
          onDo={reason => {
            void apply(reason);
          }}
        />
      )}
    </>
  );
}

function hintOf(
  draft: { changed: boolean; isWrong: boolean; isPreviewed: boolean; mayApply: boolean },
  trans: TranslationBundle
): string {
  if (!draft.changed) {
    return '';
  }
  if (!draft.mayApply) {
    return trans.__('This is a trial: you may see what would follow, and an admin applies it.');
  }
  if (draft.isWrong) {
    return trans.__('What is wrong stands below: mend that, then preview it.');
  }
  return draft.isPreviewed ? '' : trans.__('Preview it, then it can be applied.');
}

function CheckLine(props: {
  checked: CheckedNow;
  onPlace: (place: Place) => void;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { checked, onPlace } = props;
  const check: QuotaCheck | null = checked.isNow ? (checked.last?.check ?? null) : null;
  return (
    <div className="problems" data-sublet="check" data-sublet-now={String(checked.isNow)}>
      {checked.problem !== null && <p className="why">{checked.problem}</p>}
      <p role="status" className="quiet">
        {check === null
          ? trans.__('Checking …')
          : check.problems.length === 0
            ? trans.__('It could be in force.')
            : trans._n('%1 thing is wrong', '%1 things are wrong', check.problems.length)}
      </p>
      <ul className="plain">
        {check?.problems.map((each, place) => (
          <li key={`${String(place)} ${each.message}`}>
            <button
              type="button"
              className="bad"
              data-sublet="problem"
              onClick={() => {
                onPlace({ line: each.line, column: each.column ?? 1 });
              }}
            >
              {each.column === null
                ? trans.__('Line %1', each.line)
                : trans.__('Line %1, column %2', each.line, each.column)}
              {': '}
              {each.key === '' ? '' : `${each.key}: `}
              {each.message}
            </button>
          </li>
        ))}
        {check?.warnings.map((each, place) => (
          <li key={`${String(place)} ${each.message}`} className="why">
            {each.line === null ? '' : `${trans.__('Line %1', each.line)}: `}
            {each.key === '' ? '' : `${each.key}: `}
            {each.message}
          </li>
        ))}
      </ul>
    </div>
  );
}
