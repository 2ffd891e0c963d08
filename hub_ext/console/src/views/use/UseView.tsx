/** What was held, used and waited for. Its charts are fetched when it is opened. */
import { lazy, Suspense } from 'react';

import { useConsole } from '../../model/console';

const UsePage = lazy(() => import('./UsePage'));

export function UseView(): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <Suspense fallback={<p role="status">{trans.__('Fetching the charts …')}</p>}>
      <UsePage />
    </Suspense>
  );
}
