/**
 * Print how large the bundle is as a browser gets it (gzipped), and fail above the limit.
 * Licences and source maps are not sent to browsers, so they do not count.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const LIMIT_KB = 200;
const folder = new URL('../dist/static/', import.meta.url).pathname;

const sizes = readdirSync(folder)
  .filter(name => name.endsWith('.js'))
  .map(name => gzipSync(readFileSync(join(folder, name))).length);
const total_kb = sizes.reduce((sum, size) => sum + size, 0) / 1000;
console.log(
  `Bundle: ${total_kb.toFixed(1)} kB gzipped in ${sizes.length} files; at most ${LIMIT_KB} kB.`
);
if (total_kb > LIMIT_KB) {
  console.error('The bundle is too large: look at what the last change brought in.');
  process.exit(1);
}
