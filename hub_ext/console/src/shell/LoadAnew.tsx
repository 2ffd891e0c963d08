/** Loads the page anew: who is logged in no more comes back through the hub's login. */
import { useConsole } from '../model/console';

export function LoadAnew(): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <button
      type="button"
      onClick={() => {
        window.location.reload();
      }}
    >
      {trans.__('Load the page anew')}
    </button>
  );
}
