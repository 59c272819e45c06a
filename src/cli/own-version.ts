import { readFileSync } from 'node:fs';

/** The version of this program, which the daemon's may differ from. */
export function ownVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string }).version;
}
