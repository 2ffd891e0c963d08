/** Another size for my slice: what it holds and what the quota allows are said beforehand. */
import * as React from 'react';

import type { Resize } from '../api/client';
import type { Situation } from '../model/situation';
import { Said, useAction, type Desk } from '../words/desk';
import { gib, gibNumber } from '../words/format';

const MIB_PER_GIB = 1024;

export function ResizeForm(props: {
  desk: Desk;
  sliceId: string;
  situation: Situation;
  close: () => void;
}): React.JSX.Element {
  const { desk, sliceId, situation } = props;
  const { trans, model } = desk;
  const action = useAction(model);
  const compute = (model.slice?.lease.compute_milli ?? 1000) / 10;
  const [memory, setMemory] = React.useState(gibNumber(situation.cap_mib));
  const [share, setShare] = React.useState(String(compute));
  const wrong = whatIsWrong(desk, memory, share, situation.used_mib);
  const submit = (event: React.FormEvent): void => {
    event.preventDefault();
    if (wrong !== null) {
      return;
    }
    const wanted: Resize = {};
    const memory_mib = Math.round(Number(memory) * MIB_PER_GIB);
    if (gibNumber(memory_mib) !== gibNumber(situation.cap_mib)) {
      wanted.memory_mib = memory_mib;
    }
    if (Number(share) !== compute) {
      wanted.compute_milli = Math.round(Number(share) * 10);
    }
    if (Object.keys(wanted).length === 0) {
      props.close();
      return;
    }
    action.run(async () => {
      await model.api.resize(sliceId, wanted);
      return trans.__(
        'Resized. It counts at once; processes that run keep the limits they were started with, so restart a kernel to have it see the new size.'
      );
    });
  };
  return (
    <form className="sublet-form" onSubmit={submit} data-sublet="resize-form">
      <label>
        {trans.__('Memory (GiB)')}
        <input
          type="text"
          inputMode="decimal"
          value={memory}
          onChange={event => {
            setMemory(event.target.value);
          }}
          data-sublet="resize-memory"
        />
      </label>
      <label>
        {trans.__('Compute (%)')}
        <input
          type="text"
          inputMode="decimal"
          value={share}
          onChange={event => {
            setShare(event.target.value);
          }}
          data-sublet="resize-compute"
        />
      </label>
      <p className="sublet-quiet">
        {trans.__(
          'You hold %1: less is not possible. Processes started later see the new size.',
          gib(situation.used_mib)
        )}
      </p>
      {wrong !== null && (
        <p className="sublet-said sublet-bad" role="alert">
          {wrong}
        </p>
      )}
      <Said said={action.said} />
      <div className="sublet-row">
        <button type="submit" className="sublet-primary" disabled={action.busy || wrong !== null}>
          {trans.__('Resize')}
        </button>
        <button type="button" onClick={props.close}>
          {trans.__('Close')}
        </button>
      </div>
    </form>
  );
}

function whatIsWrong(desk: Desk, memory: string, share: string, used_mib: number): string | null {
  const { trans, model } = desk;
  const gibs = memory.trim() === '' ? NaN : Number(memory);
  if (!(gibs > 0)) {
    return trans.__('Write the memory as a number of GiB, such as 20.');
  }
  if (Math.ceil(gibs * MIB_PER_GIB) < used_mib) {
    return trans.__('You hold %1: free some of it first, or ask for more.', gib(used_mib));
  }
  const card = model.local?.value.gpu_memory_mib ?? model.slice?.lease.gpu_memory_mib ?? 0;
  if (card > 0 && gibs * MIB_PER_GIB > card) {
    return trans.__('The whole GPU has %1: ask for no more than that.', gib(card));
  }
  const percent = share.trim() === '' ? NaN : Number(share);
  if (!(percent > 0 && percent <= 100)) {
    return trans.__('Write the compute share in percent of a GPU, from 1 to 100.');
  }
  return null;
}
