import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';

// First of all, so that everything that is imported later comes out of it, types already stripped.
enableCompileCache(
  process.getuid?.() === 0
    ? '/var/cache/berth/compile'
    : `${process.env['XDG_CACHE_HOME'] ?? `${homedir()}/.cache`}/berth`,
);
const { main } = await import('../src/cli/main.ts');
await main(process.argv.slice(2));
