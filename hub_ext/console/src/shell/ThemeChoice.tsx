/** The choice between light and dark. */
import { useEffect, useState } from 'react';

import { useConsole } from '../model/console';
import { keepTheme, keptTheme, showTheme, type Theme } from './theme';

export function ThemeChoice(): React.JSX.Element {
  const { trans } = useConsole();
  const [theme, setTheme] = useState<Theme>(keptTheme);
  useEffect(() => {
    showTheme(theme);
  }, [theme]);
  return (
    <select
      className="theme-choice"
      aria-label={trans.__('Colours')}
      value={theme}
      onChange={event => {
        const chosen = event.target.value as Theme;
        keepTheme(chosen);
        setTheme(chosen);
      }}
    >
      <option value="auto">{trans.__('System colours')}</option>
      <option value="light">{trans.__('Light')}</option>
      <option value="dark">{trans.__('Dark')}</option>
    </select>
  );
}
