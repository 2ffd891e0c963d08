/** The console: one page at the service's own address. */
import { createRoot } from 'react-dom/client';

import { Console, ConsoleProvider } from './model/console';
import { readSession } from './model/session';
import { App } from './shell/App';
import { Following } from './shell/Following';
import { followSystem, keptTheme, showTheme } from './shell/theme';
import './style/index.css';

const root = document.getElementById('console');
if (root !== null) {
  showTheme(keptTheme());
  followSystem();
  const console = new Console(readSession(document));
  createRoot(root).render(
    <ConsoleProvider value={console}>
      <App />
      <Following />
    </ConsoleProvider>
  );
}
