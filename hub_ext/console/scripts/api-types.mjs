/**
 * Write `src/api/generated.ts`: the types of the service's API, from its OpenAPI document.
 * With `--check` nothing is written: it fails where the page's types are not the API's of now.
 * `PYTHON` names the interpreter that has Sublet.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import openapiTS, { astToString } from 'openapi-typescript';

const path = new URL('../src/api/generated.ts', import.meta.url);
const document = execFileSync(process.env.PYTHON ?? 'python3', ['-m', 'sublet_hub.web.openapi'], {
  encoding: 'utf8',
  maxBuffer: 64 * 1024 * 1024
});
const ast = await openapiTS(JSON.parse(document), { alphabetize: true, immutable: true });
// What a field means is said in the document: without that, a change of the API is seen here.
const types = astToString(ast).replace(/^ *\/\*\*[^]*?\*\/\n/gm, '');
const made = `/* Made by \`npm run types\` from the service's OpenAPI document: do not edit. */\n\n${types}`;

if (process.argv.includes('--check')) {
  if (readFileSync(path, 'utf8') !== made) {
    console.error('src/api/generated.ts is not what the API is now: run `npm run types`.');
    process.exit(1);
  }
} else {
  writeFileSync(path, made);
}
