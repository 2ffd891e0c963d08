/** Who waits, why and for whom, and who has whose room: of all for admins, else of one's own. */
import { useEffect } from 'react';

import { useConsole } from '../../model/console';
import { useStore } from '../../model/store';
import { AllWaits } from './AllWaits';
import { OwnWaits } from './OwnWaits';

export function WaitsView(): React.JSX.Element {
  const { trans, session, waits } = useConsole();
  const asked = useStore(waits.store);
  useEffect(() => {
    void waits.refresh();
  }, [waits]);
  if (asked.value === null) {
    return <p role="status">{asked.problem ?? trans.__('Asking who waits …')}</p>;
  }
  return (
    <>
      {asked.problem !== null && (
        <p className="why" role="status">
          {asked.problem}
        </p>
      )}
      {session.admin ? <AllWaits waits={asked.value} /> : <OwnWaits waits={asked.value} />}
    </>
  );
}
