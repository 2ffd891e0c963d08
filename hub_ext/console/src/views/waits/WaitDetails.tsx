/** More of one who waits: its names, by which right it holds, and who holds what on its card now. */
import type { Card, Waiting } from '../../api/types';
import { useConsole } from '../../model/console';
import { useStore } from '../../model/store';
import { following, pathOf } from '../../shell/router';
import { CardBar } from '../cards/CardBar';
import { sliceWords } from '../cards/words';
import { cardOf } from './filter';
import { codeWord } from './words';

export function WaitDetails({ waiting }: { waiting: Waiting }): React.JSX.Element {
  const { trans, session, cards } = useConsole();
  const { rank, job_id, slice_id } = waiting;
  const place = cardOf(waiting);
  const card = useStore(cards.store).list?.find(each => isOn(each, waiting));
  const names = [
    codeWord(waiting.code),
    ...(job_id === null ? [] : [trans.__('job %1', job_id)]),
    ...(slice_id === null ? [] : [trans.__('slice %1', slice_id)])
  ];
  const path = `${pathOf(session.prefix, 'cards')}?${String(new URLSearchParams({ q: place ?? '' }))}`;
  return (
    <div className="wait-details" data-sublet="wait-details">
      <p className="quiet">{names.join(' · ')}</p>
      {rank !== null && (
        <p>
          <b>{rank.word}</b> {rank.meaning}
        </p>
      )}
      {place !== null && session.sees_all && (
        <p>
          <a href={path} onClick={following(path)}>
            {trans.__('Who holds what on %1', place)}
          </a>
        </p>
      )}
      {card !== undefined && (
        <>
          <CardBar card={card} />
          <ul className="plain" data-sublet="wait-holders">
            {card.slices.map(each => (
              <li key={each.lease.slice_id}>{sliceWords(each, trans)}</li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

function isOn(card: Card, { node, gpu_index }: Waiting): boolean {
  return card.node === node && card.report.index === gpu_index;
}
