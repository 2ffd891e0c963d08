/** Who holds what on one card, a line each. */
import { gib, heldGib, percent } from '@sublet-lab/format/quantities';

import type { Card, Slice } from '../../api/types';
import { Moment } from '../../controls/Moment';
import { ShareKept } from '../../controls/ShareKept';
import { Tag } from '../../controls/Tag';
import { useConsole } from '../../model/console';
import { holdingOf } from '../../model/holding';
import { nameOf, nameOfSlice } from './deeds';
import type { Selection } from './selection';
import { whereWord } from './words';

export function SliceTable(props: { card: Card; selection: Selection | null }): React.JSX.Element {
  const { trans } = useConsole();
  const { card, selection } = props;
  if (card.slices.length === 0) {
    return <p className="quiet">{trans.__('Nobody holds anything on this card.')}</p>;
  }
  return (
    <div className="table-frame">
      <table data-sublet="slices" aria-label={nameOf(card)}>
        <thead>
          <tr>
            {selection !== null && (
              <th>
                <span className="unseen">{trans.__('Chosen')}</span>
              </th>
            )}
            <th>{trans.__('Owner')}</th>
            <th>{trans.__('Cap')}</th>
            <th>{trans.__('On the card')}</th>
            <th>{trans.__('In host memory')}</th>
            <th>{trans.__('Now')}</th>
            <th>{trans.__('By right of')}</th>
            <th>{trans.__('Lent to')}</th>
            <th>{trans.__('Held since')}</th>
          </tr>
        </thead>
        <tbody>
          {card.slices.map(each => (
            <SliceLine key={each.lease.slice_id} slice={each} selection={selection} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function SliceLine(props: { slice: Slice; selection: Selection | null }): React.JSX.Element {
  const { trans } = useConsole();
  const { slice, selection } = props;
  const holding = holdingOf(slice);
  const { lease, report } = slice;
  const name = nameOfSlice(slice);
  return (
    <tr
      data-sublet="slice"
      data-sublet-owner={lease.owner}
      data-sublet-where={holding.where}
      data-sublet-job={holding.isJob}
      data-sublet-computes={holding.computes}
    >
      {selection !== null && (
        <td>
          <input
            type="checkbox"
            aria-label={trans.__('Choose the slice of %1', name)}
            checked={selection.hasSlice(slice)}
            onChange={event => {
              selection.chooseSlice(slice, event.target.checked);
            }}
          />
        </td>
      )}
      <th scope="row" title={lease.slice_id}>
        {name}
        {holding.isJob && <span className="quiet"> {trans.__('job')}</span>}
      </th>
      <td className="number">
        {gib(lease.memory_mib)} <span className="quiet">{percent(lease.compute_milli)}</span>
      </td>
      <td className="number">
        {report === null ? '–' : heldGib(trans, report.memory_mib, report.memory_told)}
      </td>
      <td className="number">{holding.in_host_mib > 0 ? gib(holding.in_host_mib) : '–'}</td>
      <td>
        <Tag tone={holding.computes ? 'good' : 'plain'} name="now">
          {whereWord(holding, trans)}
        </Tag>
        {report !== null && (
          <span className="quiet">
            {' '}
            {trans.__('since')} <Moment at={report.since} />
          </span>
        )}
        {slice.warnings.map(each => (
          <span key={each.code} className="why">
            {each.clause}
          </span>
        ))}
        <ShareKept slice={slice} />
      </td>
      <td>
        {slice.rank !== null && (
          <Tag tone={holding.called_back ? 'warn' : 'plain'} title={slice.rank.meaning}>
            {slice.rank.word}
          </Tag>
        )}{' '}
        {slice.group ?? ''}
      </td>
      <td>
        {slice.lent_to.length === 0 ? '–' : slice.lent_to.join(', ')}
        {slice.lent_since !== null && (
          <span className="quiet">
            {' '}
            {trans.__('since')} <Moment at={slice.lent_since} />
          </span>
        )}
      </td>
      <td>
        <Moment at={lease.created_at} />
      </td>
    </tr>
  );
}
