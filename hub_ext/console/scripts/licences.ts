/**
 * Writes `third-party-licences.txt` beside what is built: the notices of all packages that are in
 * it, which their licences want to go along. A package without one fails the build.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'vite';

const FILE = 'third-party-licences.txt';
const OF_A_PACKAGE = /^(?:\0)?(?<folder>.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//;
const NOTICE = /^(?:licen[cs]e|notice)/i;

interface Described {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
}

export function licences(): Plugin {
  return {
    name: 'licences',
    apply: 'build',
    generateBundle(_, bundle) {
      const folders = new Set<string>();
      for (const each of Object.values(bundle)) {
        for (const id of each.type === 'chunk' ? each.moduleIds : []) {
          const folder = OF_A_PACKAGE.exec(id)?.groups?.folder;
          if (folder !== undefined) {
            folders.add(folder);
          }
        }
      }
      const notices = [...folders].map(noticesOf).sort((a, b) => a.localeCompare(b));
      this.emitFile({ type: 'asset', fileName: FILE, source: notices.join('\n') });
    }
  };
}

function noticesOf(folder: string): string {
  const told = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Described;
  const files = readdirSync(folder).filter(each => NOTICE.test(each));
  if (files.length === 0) {
    throw new Error(`${told.name} brings no licence: what is built may not go without it`);
  }
  const texts = files.map(each => readFileSync(join(folder, each), 'utf8').trim());
  return [`${told.name} ${told.version} (${told.license ?? '?'})`, ...texts, ''].join('\n\n');
}
