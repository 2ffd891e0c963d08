/** The quotas, for admins and admins of groups: fetched when they are looked at, as an editor is large. */
import { lazy, Suspense } from 'react';

import { useConsole } from '../../model/console';

const QuotasView = lazy(async () => ({ default: (await import('./QuotasView')).QuotasView }));

export function Quotas(): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <Suspense fallback={<p role="status">{trans.__('Fetching the view …')}</p>}>
      <QuotasView />
    </Suspense>
  );
}
