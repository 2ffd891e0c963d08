/** What was held, used and waited for, or a week's report of it; each is fetched when opened. */
import { lazy, Suspense } from 'react';

import { useConsole } from '../../model/console';
import { useQuery } from '../../shell/router';

const UsePage = lazy(() => import('./UsePage'));
const ReportPage = lazy(() => import('./report/ReportPage'));

export function UseView(): React.JSX.Element {
  const { trans } = useConsole();
  const isReport = useQuery().has('week');
  return (
    <Suspense fallback={<p role="status">{trans.__('Fetching the charts …')}</p>}>
      {isReport ? <ReportPage /> : <UsePage />}
    </Suspense>
  );
}
