/** Who waits, why and for whom, and who has whose room: of all for admins, of groups for theirs. */
import { useCallback, useEffect } from 'react';

import { GroupChoice } from '../../controls/GroupChoice';
import { usePolling } from '../../controls/usePolling';
import { useConsole } from '../../model/console';
import { useStore } from '../../model/store';
import { useGroup } from '../../shell/group';
import { AllWaits } from './AllWaits';
import { OwnWaits } from './OwnWaits';

export function WaitsView(): React.JSX.Element {
  const console = useConsole();
  const { trans, session } = console;
  const group = useGroup();
  const waits = console.waitsOf(group);
  const asked = useStore(waits.store);
  useEffect(() => {
    void waits.refresh();
  }, [waits]);
  const askAgain = useCallback(() => {
    void waits.refresh();
  }, [waits]);
  // The stream tells of one's own waits, and of all.
  usePolling(group === null ? null : askAgain);
  const choice = <GroupChoice group={group} withOwn />;
  if (asked.value === null) {
    return (
      <>
        {choice}
        <p role="status">{asked.problem ?? trans.__('Asking who waits …')}</p>
      </>
    );
  }
  return (
    <>
      {choice}
      {asked.problem !== null && (
        <p className="why" role="status">
          {asked.problem}
        </p>
      )}
      {session.sees_all || group !== null ? (
        <AllWaits waits={asked.value} />
      ) : (
        <OwnWaits waits={asked.value} />
      )}
    </>
  );
}
