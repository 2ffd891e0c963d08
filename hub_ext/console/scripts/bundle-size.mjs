/**
 * Print how large the console is as a browser gets it (gzipped), and fail above the limit.
 * What it begins with is its first view; other views may be fetched when they are opened.
 */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const LIMIT_KB = 250;
const ENTRIES = ['src/index.tsx', 'style.css'];
const folder = new URL('../../sublet_hub/web/console/dist/', import.meta.url);

const manifest = JSON.parse(readFileSync(new URL('manifest.json', folder), 'utf8'));

function* firstFiles(name, seen = new Set()) {
  if (seen.has(name)) {
    return;
  }
  seen.add(name);
  const chunk = manifest[name];
  yield chunk.file;
  for (const each of chunk.imports ?? []) {
    yield* firstFiles(each, seen);
  }
}

const files = [...new Set(ENTRIES.flatMap(each => [...firstFiles(each)]))];
const sizes = files.map(name => gzipSync(readFileSync(new URL(name, folder))).length);
const total_kb = sizes.reduce((sum, size) => sum + size, 0) / 1000;
console.log(
  `Console, first view: ${total_kb.toFixed(1)} kB gzipped in ${files.length} files; at most ${LIMIT_KB} kB.`
);
if (total_kb > LIMIT_KB) {
  console.error('The first view is too large: look at what the last change brought in.');
  process.exit(1);
}
