import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleepFor } from 'node:timers/promises';

/** A file system whose server can be made to stop answering, like NFS with a dead server. */
export interface HangingFs extends Disposable {
  readonly path: string;
  hang(): void;
}

/** An ext4 image served by fuse2fs, with `folder` in it. */
export async function makeHangingFs(): Promise<HangingFs> {
  const root = mkdtempSync(join(tmpdir(), 'berth-fuse-'));
  const image = join(root, 'image');
  const path = join(root, 'mnt');
  mkdirSync(path);
  mkdirSync(join(root, 'content', 'folder'), { recursive: true });
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', join(root, 'content'), image, '8M'], { stdio: 'ignore' });
  const server = spawn('fuse2fs', ['-f', image, path], { stdio: 'ignore' });
  while (!readFileSync('/proc/self/mounts', 'utf8').includes(path)) await sleepFor(5);
  return {
    path,
    hang: () => server.kill('SIGSTOP'),
    [Symbol.dispose]: () => {
      server.kill('SIGKILL'); // its end fails every request that waits for it
      execFileSync('umount', ['-l', path], { stdio: 'ignore' });
      rmSync(root, { recursive: true });
    },
  };
}
