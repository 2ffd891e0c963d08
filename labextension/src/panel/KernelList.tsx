/** What each of my kernels holds, and a way out for a cell that waits. */
import { fileName, heldGib } from '@sublet-lab/format/quantities';
import * as React from 'react';

import type { KernelHolding } from '../api/local';
import { Button, useHeir } from '../controls/button';
import { Said, Section, useAction, type Action, type PageContext } from '../controls/pageContext';

export function KernelList({ page }: { page: PageContext }): React.JSX.Element | null {
  const { trans, model } = page;
  const action = useAction(model);
  const seen = model.kernels;
  if (seen === null) {
    return null;
  }
  const waiting = new Set(model.local?.value.waiting_kernels ?? []);
  return (
    <Section name="kernels" title={trans.__('My notebooks')} stale={!seen.fresh}>
      {seen.value.length === 0 ? (
        <p className="sublet-quiet">{trans.__('No kernel is running.')}</p>
      ) : (
        <ul className="sublet-list">
          {seen.value.map(each => (
            <KernelItem
              key={each.kernel_id}
              page={page}
              // The agent tells of a wait first-hand, and the list of kernels comes after.
              kernel={{ ...each, waits: each.waits || waiting.has(each.kernel_id) }}
              action={action}
            />
          ))}
        </ul>
      )}
      <Said trans={trans} said={action.said} />
    </Section>
  );
}

function KernelItem(props: {
  page: PageContext;
  kernel: KernelHolding;
  action: Action;
}): React.JSX.Element {
  const { page, kernel, action } = props;
  const { trans, model } = page;
  const item = React.useRef<HTMLLIElement>(null);
  const button = useHeir<HTMLButtonElement>(item);
  const interrupt = async (): Promise<string> => {
    await model.api.interrupt(kernel.kernel_id);
    return trans.__('Interrupted: the cell no longer waits.');
  };
  return (
    <li ref={item} tabIndex={-1} data-sublet="kernel">
      <span className="sublet-grow sublet-two-lines">
        <span className="sublet-cut" title={kernel.notebook ?? kernel.name}>
          {nameOf(kernel)}
        </span>
        <span className="sublet-quiet">{stateWords(kernel, page)}</span>
      </span>
      {kernel.waits && (
        <Button
          ref={button}
          off={action.busy}
          title={trans.__('Its cell waits for the GPU: take it back')}
          onClick={() => {
            action.run(interrupt);
          }}
          data-sublet="interrupt"
        >
          {trans.__('Interrupt')}
        </Button>
      )}
      <span className="sublet-number">
        {heldGib(trans, kernel.memory_mib + kernel.host_mib, kernel.memory_told)}
      </span>
    </li>
  );
}

/** While a notebook opens, JupyterLab's session bears an id for a name: nobody knows it by that. */
const PASSING_NAME = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function nameOf(kernel: KernelHolding): string {
  const name = fileName(kernel.notebook ?? '');
  return name === '' || PASSING_NAME.test(name) ? kernel.name : name;
}

/** What Jupyter says of it, and where its memory is. */
function stateWords(kernel: KernelHolding, page: PageContext): string {
  const { trans } = page;
  const words = kernel.waits ? trans.__('waits for the GPU') : jupyterWord(kernel.state, page);
  return kernel.host_mib > 0 && kernel.memory_mib === 0
    ? trans.__('%1, memory moved out', words)
    : words;
}

function jupyterWord(state: string, page: PageContext): string {
  const { trans } = page;
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
