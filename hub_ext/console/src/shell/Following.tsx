/** Follows what changes, as soon as the first view is there: it says whether cards are shown. */
import { useEffect } from 'react';

import { useConsole } from '../model/console';

export function Following(): null {
  const console = useConsole();
  useEffect(() => {
    console.start();
    return () => {
      console.stop();
    };
  }, [console]);
  return null;
}
