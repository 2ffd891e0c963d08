/** What a refusal follows from and what would help, folded up below its sentence. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { Decision } from '../api/decision';

export function DecisionPart(props: {
  trans: TranslationBundle;
  decision: Decision | null;
}): React.JSX.Element | null {
  const { trans, decision } = props;
  if (decision === null) {
    return null;
  }
  const { why, waits_for, helps } = decision;
  return (
    <details className="sublet-decision" data-sublet="decision">
      <summary>{trans.__('Why, and what helps')}</summary>
      {why !== '' && <p>{why}</p>}
      {waits_for.length > 0 && (
        <p>{trans.__('In the way are slices of %1.', waits_for.join(', '))}</p>
      )}
      {helps.length > 0 && (
        <ul aria-label={trans.__('What helps')}>
          {helps.map(each => (
            <li key={each}>{each}</li>
          ))}
        </ul>
      )}
    </details>
  );
}
