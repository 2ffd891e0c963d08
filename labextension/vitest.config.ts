import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      // Its index loads a whole design system, which takes half a minute and a real browser.
      { find: /^@jupyterlab\/ui-components$/, replacement: here('tests/support/uiComponents.ts') },
      { find: /^@jupyterlab\/apputils$/, replacement: here('tests/support/apputils.ts') }
    ]
  },
  test: {
    environment: 'happy-dom',
    // JupyterLab's packages are loaded once a worker: loading them for each file costs more than the tests do.
    pool: 'threads',
    isolate: false,
    include: ['tests/**/*.spec.{ts,tsx}'],
    // JupyterLab's packages import styles and name no extensions: let vite read them.
    server: { deps: { inline: [/@jupyterlab/, /@jupyter\//, /@lumino/] } },
    css: false,
    testTimeout: 30_000,
    hookTimeout: 30_000
  }
});
