/** What each of my kernels holds, and a way out for a cell that waits. */
import * as React from 'react';

import type { KernelHolding } from '../api/local';
import { Said, Section, useAction, type Desk } from '../words/desk';
import { fileName, gib } from '../words/format';

export function KernelList({ desk }: { desk: Desk }): React.JSX.Element | null {
  const { trans, model } = desk;
  const action = useAction(model);
  const seen = model.kernels;
  if (seen === null) {
    return null;
  }
  const waiting = new Set(model.local?.value.waiting_kernels ?? []);
  const interrupt = (kernel: KernelHolding): void => {
    action.run(async () => {
      await model.api.interrupt(kernel.kernel_id);
      return trans.__('Interrupted: the cell no longer waits.');
    });
  };
  return (
    <Section name="kernels" title={trans.__('My notebooks')} stale={!seen.fresh}>
      {seen.value.length === 0 ? (
        <p className="sublet-quiet">{trans.__('No kernel is running.')}</p>
      ) : (
        <ul className="sublet-list">
          {seen.value.map(kernel => (
            <li key={kernel.kernel_id} data-sublet="kernel">
              <span className="sublet-grow sublet-cut" title={kernel.notebook ?? kernel.name}>
                {kernel.notebook === null ? kernel.name : fileName(kernel.notebook)}
              </span>
              {kernel.waits || waiting.has(kernel.kernel_id) ? (
                <button
                  type="button"
                  disabled={action.busy}
                  onClick={() => {
                    interrupt(kernel);
                  }}
                  data-sublet="interrupt"
                >
                  {trans.__('Interrupt the waiting cell')}
                </button>
              ) : (
                <span className="sublet-quiet">{jupyterWord(kernel.state, desk)}</span>
              )}
              <span className="sublet-number">{holding(kernel, desk)}</span>
            </li>
          ))}
        </ul>
      )}
      <Said said={action.said} />
    </Section>
  );
}

function holding(kernel: KernelHolding, desk: Desk): string {
  const { trans } = desk;
  if (kernel.memory_mib === 0 && kernel.host_mib === 0) {
    return trans.__('no GPU memory');
  }
  return kernel.host_mib > 0 && kernel.memory_mib === 0
    ? trans.__('%1, moved out', gib(kernel.host_mib))
    : gib(kernel.memory_mib + kernel.host_mib);
}

function jupyterWord(state: string, desk: Desk): string {
  const { trans } = desk;
  switch (state) {
    case 'busy':
      return trans.__('running');
    case 'idle':
      return trans.__('ready');
    case 'starting':
      return trans.__('starting');
    default:
      return state;
  }
}
