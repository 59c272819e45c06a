import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A root made of programs of this host, so that it needs no network. */
export interface HostRoot extends Disposable {
  readonly folder: string;
}

/**
 * A folder with programs of this host, what they are linked with, and nothing else.
 * @param programs path inside the root → program of this host
 * @throws Error when one of them is not there
 */
export function makeHostRoot(programs: Readonly<Record<string, string>>): HostRoot {
  const folder = mkdtempSync(join(tmpdir(), 'berth-demo-'));
  for (const name of ['dev', 'proc', 'sys', 'tmp', 'usr/bin', 'etc'])
    mkdirSync(`${folder}/${name}`, { recursive: true });
  symlinkSync('usr/bin', `${folder}/bin`);
  for (const [inside, program] of Object.entries(programs)) {
    for (const [target, source] of [[inside, program] as const, ...librariesOf(program)]) copy(source, folder + target);
  }
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

/** `libc.so.6 => /lib/…/libc.so.6 (0x…)` and `/lib64/ld-linux-x86-64.so.2 (0x…)`; a static program has none. */
function librariesOf(program: string): [string, string][] {
  const { stdout } = run('ldd', program);
  return [...stdout.matchAll(/(?:^|=>)\s*(\/\S+) \(0x/gm)].map(([, path = '']) => [path, path]);
}

function run(command: string, argument: string): { stdout: string } {
  try {
    return { stdout: execFileSync(command, [argument], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }) };
  } catch {
    return { stdout: '' }; // ldd fails for a static program
  }
}

function copy(source: string, target: string): void {
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(realpathSync(source), target);
}
