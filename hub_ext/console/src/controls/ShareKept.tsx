/** How it stands with a slice's share of the card's compute, in the service's words. */
import type { Slice } from '../api/types';
import { useConsole } from '../model/console';
import { lacksShare } from '../model/holding';

/** Nothing where its agent does not tell. */
export function ShareKept({ slice }: { slice: Slice }): React.JSX.Element | null {
  const { trans } = useConsole();
  const kept = slice.compute_kept;
  if (kept === null) {
    return null;
  }
  return (
    <p
      className={lacksShare(slice) ? 'why' : 'quiet'}
      title={kept.meaning}
      data-sublet="compute-kept"
      data-sublet-holds={kept.holds}
    >
      {trans.__('Compute share: %1', kept.words)}
    </p>
  );
}
