/** Light or dark: as the hub's own pages are, whose choice is kept in this browser. */

export type Theme = 'auto' | 'light' | 'dark';

/** The name that JupyterHub keeps it under: who shares its origin shares the choice. */
const KEPT_AS = 'jupyterhub-bs-theme';
const DARK = '(prefers-color-scheme: dark)';

export function keptTheme(): Theme {
  try {
    const kept = window.localStorage.getItem(KEPT_AS);
    return kept === 'light' || kept === 'dark' ? kept : 'auto';
  } catch {
    return 'auto';
  }
}

export function keepTheme(theme: Theme): void {
  try {
    window.localStorage.setItem(KEPT_AS, theme);
  } catch {
    // A browser that keeps nothing shows it until it is closed.
  }
}

export function showTheme(theme: Theme): void {
  const dark = theme === 'dark' || (theme === 'auto' && window.matchMedia(DARK).matches);
  document.documentElement.dataset.bsTheme = dark ? 'dark' : 'light';
}

/** Follow the system's choice as long as nothing else is chosen. */
export function followSystem(): void {
  window.matchMedia(DARK).addEventListener('change', () => {
    if (keptTheme() === 'auto') {
      showTheme('auto');
    }
  });
}
