/** What would follow if a document were in force: who is over, called back, refused or started. */
import { decimal } from '@sublet-lab/format/quantities';

import type { QuotaPreview } from '../../api/types';
import { Moment } from '../../controls/Moment';
import { Tag, type Tone } from '../../controls/Tag';
import { useConsole } from '../../model/console';
import type { Previewed } from './model';
import type { PastDays } from './past';
import { PastPart } from './PastPart';
import { excessWords } from './TreePart';

const MOST_ROWS = 100;

export function PreviewPart(props: {
  previewed: Previewed;
  /** `null`: where past days are not asked about. */
  past: PastDays | null;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { preview, problem, text } = props.previewed;
  return (
    <section className="part" aria-labelledby="preview" data-sublet="preview">
      <h2 id="preview">{trans.__('What would follow')}</h2>
      {problem !== null && (
        <p className="bad told" role="alert">
          {problem}
        </p>
      )}
      {problem === null && preview === null && <p role="status">{trans.__('Reckoning …')}</p>}
      {preview !== null && <Followed preview={preview} />}
      {preview !== null && props.past !== null && <PastPart past={props.past} text={text} />}
    </section>
  );
}

function Followed({ preview }: { preview: QuotaPreview }): React.JSX.Element {
  const { trans } = useConsole();
  const owners = (slices: readonly { owner: string }[]): string => {
    const counts = new Map<string, number>();
    slices.forEach(({ owner }) => counts.set(owner, (counts.get(owner) ?? 0) + 1));
    return [...counts]
      .map(([owner, count]) => (count > 1 ? `${owner} (${String(count)})` : owner))
      .join(', ');
  };
  const starting = preview.jobs.filter(each => each.after === null);
  const waiting = preview.jobs.filter(each => each.after !== null);
  const nothing =
    preview.unmet.length +
      preview.beyond.length +
      preview.budgets.length +
      preview.ranks.length +
      preview.brought_back.length +
      preview.claims.length +
      preview.jobs.length +
      preview.rights.length ===
    0;
  return (
    <>
      <p className="quiet">
        {preview.groups !== null
          ? trans.__('Compared with what is in force of these groups')
          : preview.revision === null
            ? trans.__('Compared with the file in force')
            : trans.__('Compared with revision %1', preview.revision)}
        {', '}
        <Moment at={preview.at} />
        {'. '}
        {preview.groups === null
          ? trans._n(
              '%1 person has slices or jobs now.',
              '%1 people have slices or jobs now.',
              preview.people
            )
          : trans._n(
              '%1 person has slices or jobs of these groups now. What follows for others is not told.',
              '%1 people have slices or jobs of these groups now. What follows for others is not told.',
              preview.people
            )}
      </p>
      {nothing && <p>{trans.__('Nothing would follow.')}</p>}
      <List name="unmet" tone="bad" title={trans.__('Guarantees that could not be met')}>
        {preview.unmet}
      </List>
      <List name="beyond" tone="bad" title={trans.__('Over what they may have, or are guaranteed')}>
        {preview.beyond.map(
          each =>
            `${each.owner ?? trans.__('Group %1', each.group ?? '')}: ${excessWords(each, trans)}`
        )}
      </List>
      <List name="budgets" tone="warn" title={trans.__('Budgets that would be over')}>
        {preview.budgets.map(each =>
          trans.__(
            '%1: %2 of %3 h are spent',
            each.owner === null ? each.group : `${each.owner} (${each.group})`,
            decimal(each.charged - each.credited),
            decimal(each.hours)
          )
        )}
      </List>
      <List
        name="called-back"
        tone="warn"
        title={trans.__('Called back as soon as a group wants it')}
      >
        {preview.claims.map(each =>
          [
            trans.__(
              '%1 on %2 %3 (%4)',
              each.group ?? trans.__('another group'),
              each.node,
              each.gpu_index,
              each.gpu_type
            ),
            ...(each.calls_back.length > 0
              ? [trans.__('makes way: %1', owners(each.calls_back))]
              : []),
            ...(each.in_the_way.length > 0
              ? [trans.__('cannot leave: %1', owners(each.in_the_way))]
              : [])
          ].join('; ')
        )}
      </List>
      <List name="ranks" tone="warn" title={trans.__('Slices that would stand otherwise')}>
        {preview.ranks.map(each =>
          trans.__(
            '%1 (%2): %3, now %4',
            each.owner,
            each.group ?? trans.__('no group'),
            each.after.word,
            each.before.word
          )
        )}
      </List>
      <List name="back" tone="good" title={trans.__('In their place again at once')}>
        {preview.brought_back.length > 0 ? [owners(preview.brought_back)] : []}
      </List>
      <List name="waiting" tone="warn" title={trans.__('Jobs that would wait')}>
        {waiting.map(each => `${each.job_id} (${each.owner}): ${each.after ?? ''}`)}
      </List>
      <List name="starting" tone="good" title={trans.__('Jobs that would start')}>
        {starting.map(each => `${each.job_id} (${each.owner})`)}
      </List>
      {!preview.jobs_are_planned && (
        <p className="quiet">
          {trans.__('Which jobs would start is not foreseen: another queue decides that.')}
        </p>
      )}
      <List name="rights" tone="plain" title={trans.__('Rights of the people who are here')}>
        {preview.rights.map(
          each =>
            `${each.group === null ? '' : `${each.group}: `}${each.right}: ${each.before ?? '–'} → ${
              each.after ?? '–'
            } (${trans._n('%1 person', '%1 people', each.people)}: ${each.named.join(', ')})`
        )}
      </List>
      <List name="reservations" tone="plain" title={trans.__('Reserved, now or later')}>
        {preview.reservations}
      </List>
      <List name="preview-warnings" tone="warn" title={trans.__('Warnings')}>
        {preview.warnings}
      </List>
      {preview.left_out > 0 && <p>{trans.__('%1 more are left out.', preview.left_out)}</p>}
    </>
  );
}

function List(props: {
  name: string;
  title: string;
  tone: Tone;
  children: readonly string[];
}): React.JSX.Element | null {
  const { trans } = useConsole();
  const { name, title, tone, children } = props;
  if (children.length === 0) {
    return null;
  }
  return (
    <div data-sublet={`follows-${name}`}>
      <h3>
        {title} <Tag tone={tone}>{String(children.length)}</Tag>
      </h3>
      <ul>
        {children.slice(0, MOST_ROWS).map((each, place) => (
          <li key={`${String(place)} ${each}`}>{each}</li>
        ))}
      </ul>
      {children.length > MOST_ROWS && (
        <p>{trans.__('%1 more are left out.', children.length - MOST_ROWS)}</p>
      )}
    </div>
  );
}
