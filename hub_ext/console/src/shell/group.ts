/** Of which of their groups an admin of groups sees things: it stands in the address. */
import { useConsole } from '../model/console';
import { useStore } from '../model/store';
import { groupOf, useQuery } from './router';

/** `null`: of none, which is all for who sees that, else one's own. */
export function useGroup(): string | null {
  const own = useStore(useConsole().groups);
  const asked = groupOf(useQuery());
  return asked !== null && own.includes(asked) ? asked : null;
}
