import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { readStat } from '../../src/linux/process.ts';

/** An ext4 on a loop file. While it is frozen, whoever writes to it hangs in the kernel (state D), deaf to SIGKILL. */
export interface FreezableFs extends Disposable {
  readonly path: string;
  freeze(): void;
  thaw(): void;
}

export function makeFreezableFs(): FreezableFs {
  const folder = mkdtempSync(join(tmpdir(), 'berth-fs-'));
  const image = join(folder, 'image');
  const path = join(folder, 'mnt');
  const run = (command: string, ...args: string[]): void => {
    execFileSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  };
  mkdirSync(path);
  run('truncate', '-s', '16M', image);
  run('mkfs.ext4', '-q', '-F', image);
  run('mount', '-o', 'loop', image, path);
  let isFrozen = false;
  const thaw = (): void => {
    if (isFrozen) run('fsfreeze', '-u', path);
    isFrozen = false;
  };
  return {
    path,
    freeze: () => {
      run('fsfreeze', '-f', path);
      isFrozen = true;
    },
    thaw,
    [Symbol.dispose]: () => {
      thaw();
      run('umount', '-l', path);
      rmSync(folder, { recursive: true });
    },
  };
}

/** Waits until the process stays in state D; a fork or an exec passes through it for a moment too. */
export async function untilStuck(pid: number): Promise<void> {
  for (let seen = 0; seen < 20; ) {
    seen = readStat(pid)?.state === 'D' ? seen + 1 : 0;
    await sleepFor(5);
  }
}
