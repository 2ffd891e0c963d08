/** End servers after a notice, or send jobs back to the queue: their owners read why, and when. */
import { useState } from 'react';

import type { Slice } from '../../api/types';
import { Dialog, Field } from '../../controls/Dialog';
import { ReasonField } from '../../controls/ReasonField';
import { useConsole } from '../../model/console';
import { nameOfSlice, type Eviction } from './deeds';

const USUAL_GRACE_MIN = 10;
const MOST_GRACE_MIN = 24 * 60;
const S_PER_MIN = 60;

export function EvictDialog(props: {
  slices: readonly Slice[];
  busy: boolean;
  onClose: () => void;
  onDo: (how: Eviction) => void;
}): React.JSX.Element {
  const { trans } = useConsole();
  const [reason, setReason] = useState('');
  const [grace_min, setGrace] = useState(USUAL_GRACE_MIN);
  const [cancel, setCancel] = useState(false);
  const jobs = props.slices.filter(each => each.lease.holder === 'job');
  const servers = props.slices.filter(each => each.lease.holder !== 'job');
  return (
    <Dialog
      name="evict"
      title={trans._n('Evict %1 slice', 'Evict %1 slices', props.slices.length)}
      deed={trans.__('Evict')}
      busy={props.busy}
      onClose={props.onClose}
      onDo={() => {
        props.onDo({ reason, grace_s: grace_min * S_PER_MIN, cancel });
      }}
    >
      <p>{props.slices.map(nameOfSlice).join(', ')}</p>
      <ReasonField
        hint={trans.__('Their owners read it, with your name and the time.')}
        reason={reason}
        onChange={setReason}
      />
      {servers.length > 0 && (
        <Field
          label={trans.__('Minutes until the servers are stopped')}
          hint={trans.__('What runs in their kernels is lost then.')}
        >
          {id => (
            <input
              id={id}
              type="number"
              min={1}
              max={MOST_GRACE_MIN}
              required
              value={grace_min}
              onChange={event => {
                setGrace(event.target.valueAsNumber);
              }}
            />
          )}
        </Field>
      )}
      {jobs.length > 0 && (
        <label className="check">
          <input
            type="checkbox"
            checked={cancel}
            onChange={event => {
              setCancel(event.target.checked);
            }}
          />
          {trans.__('Cancel the jobs: they do not go back to the queue')}
        </label>
      )}
    </Dialog>
  );
}
