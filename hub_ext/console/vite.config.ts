import { env } from 'node:process';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

import { licences } from './scripts/licences';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

// Tests run where clocks change, wherever they run.
env.TZ = 'Europe/Berlin';

export default defineConfig({
  // The page says where its files are: below the service's own address, wherever that is.
  base: './',
  plugins: [licences()],
  build: {
    outDir: here('../sublet_hub/web/console/dist'),
    emptyOutDir: true,
    manifest: 'manifest.json',
    target: 'es2022',
    cssCodeSplit: false,
    modulePreload: false,
    // The editor is the largest, and fetched when it is looked at.
    chunkSizeWarningLimit: 700,
    rollupOptions: { input: here('src/index.tsx') }
  },
  test: {
    environment: 'happy-dom',
    pool: 'threads',
    include: ['tests/**/*.spec.{ts,tsx}'],
    testTimeout: 30_000,
    // A view is fetched when it is opened: on a busy machine that takes more than the usual second.
    expect: { poll: { timeout: 20_000 } }
  }
});
