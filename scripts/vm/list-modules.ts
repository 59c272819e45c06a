/** Prints what of node_modules a berth needs to run: no tools, and of Node.js only the program. */
import { existsSync, readFileSync } from 'node:fs';

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  readonly packages: Readonly<Record<string, { readonly dev?: true; readonly devOptional?: true }>>;
};
const needed = Object.entries(lock.packages)
  .filter(([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional && existsSync(path))
  .map(([path]) => (path.startsWith('node_modules/node-linux-') ? `${path}/bin` : path));
process.stdout.write(`${needed.join('\n')}\n`);
