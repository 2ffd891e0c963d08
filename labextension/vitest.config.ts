import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    environment: 'happy-dom',
    include: ['tests/**/*.spec.{ts,tsx}'],
    // JupyterLab's packages import styles and name no extensions: let vite read them.
    server: { deps: { inline: [/@jupyterlab/, /@jupyter\//, /@lumino/] } },
    css: false
  }
});
