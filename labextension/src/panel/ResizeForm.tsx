/** Another size for my slice: what it holds and what the quota allows are said beforehand. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { isCompute, isMemory, mibOf, milliOf } from '@sublet-lab/format/amounts';
import { gib, gibNumber, heldGib } from '@sublet-lab/format/quantities';
import * as React from 'react';

import type { Resize } from '../api/client';
import type { Situation } from '../model/situation';
import { Button } from '../controls/button';
import { Said, useAction, type PageContext } from '../controls/pageContext';

export function ResizeForm(props: {
  page: PageContext;
  sliceId: string;
  situation: Situation;
  close: () => void;
}): React.JSX.Element {
  const { page, sliceId, situation } = props;
  const { trans, model } = page;
  const action = useAction(model);
  const compute_milli = model.slice?.lease.compute_milli ?? 1000;
  const [memory, setMemory] = React.useState(gibNumber(situation.cap_mib));
  const [share, setShare] = React.useState(String(compute_milli / 10));
  const card_mib = model.local?.value.gpu_memory_mib ?? model.slice?.lease.gpu_memory_mib ?? null;
  const memory_mib = mibOf(memory, [situation.cap_mib, card_mib]);
  const wrong =
    memoryProblem(trans, memory_mib, situation, card_mib) ?? computeProblem(trans, share);
  const submit = (event: React.FormEvent): void => {
    event.preventDefault();
    if (wrong !== null || action.busy) {
      return;
    }
    const wanted: Resize = {};
    if (memory_mib !== situation.cap_mib) {
      wanted.memory_mib = memory_mib;
    }
    if (milliOf(share) !== compute_milli) {
      wanted.compute_milli = milliOf(share);
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
          heldGib(trans, situation.used_mib, situation.told)
        )}
      </p>
      {wrong !== null && (
        <p className="sublet-said sublet-bad" role="alert">
          {wrong}
        </p>
      )}
      <Said trans={trans} said={action.said} />
      <div className="sublet-row">
        <Button submits className="sublet-primary" off={action.busy || wrong !== null}>
          {trans.__('Resize')}
        </Button>
        <Button onClick={props.close} data-sublet="resize-close">
          {trans.__('Close')}
        </Button>
      </div>
    </form>
  );
}

function memoryProblem(
  trans: TranslationBundle,
  memory_mib: number,
  { cap_mib, used_mib }: Situation,
  card_mib: number | null
): string | null {
  if (!isMemory(memory_mib)) {
    return trans.__('Write the memory as a number of GiB, such as 20.');
  }
  if (memory_mib === cap_mib) {
    return null;
  }
  if (memory_mib < used_mib) {
    return trans.__('You hold %1: free some of it first, or ask for more.', gib(used_mib));
  }
  if (card_mib !== null && card_mib > 0 && memory_mib > card_mib) {
    return trans.__('The whole GPU has %1: ask for no more than that.', gib(card_mib));
  }
  return null;
}

function computeProblem(trans: TranslationBundle, share: string): string | null {
  return isCompute(milliOf(share))
    ? null
    : trans.__('Write the compute share in percent of a GPU, from 0.1 to 100.');
}
