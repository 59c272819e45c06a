import { writeFile } from 'node:fs/promises';
import type { ChildProcess } from 'node:child_process';
import { BerthError, messageOf } from '../base/errors.ts';
import type { IdMappings } from '../base/id-mappings.ts';
import { mappingLines } from '../base/id-mappings.ts';
import type { Children } from './children.ts';

const DEADLINE_MS = 5_000;
const FLAGS = { net: '--net', ipc: '--ipc', uts: '--uts' } as const;

export interface UserNamespaceOrder {
  readonly mappings: IdMappings;
  /** Other namespaces that are made with it, so that they belong to it. */
  readonly kinds: readonly (keyof typeof FLAGS)[];
}

/**
 * Makes a user namespace, with others that belong to it, and keeps it for as long as `use` takes. A process makes it:
 * none that has several threads can. It says back what it is told, and ends when nothing is told any more; so it does
 * not outlive the daemon.
 * @param use gets the process that is in it: `/proc/<pid>/ns/user`
 * @throws BerthError Unavailable when the host has none to give; DeadlineExceeded
 * @see unshare(2), EINVAL
 */
export async function withUserNamespace<T>(
  children: Children,
  { mappings, kinds }: UserNamespaceOrder,
  use: (pid: number) => Promise<T>,
): Promise<T> {
  const args = ['--user', ...kinds.map((kind) => FLAGS[kind]), '--', 'cat'];
  const child = children.spawn('unshare', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = new Promise((resolve) => child.once('close', resolve).once('error', resolve));
  try {
    const pid = await untilInside(child);
    await writeFile(`/proc/${pid}/uid_map`, mappingLines(mappings.uids));
    await writeFile(`/proc/${pid}/gid_map`, mappingLines(mappings.gids));
    return await use(pid);
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

/** Resolves when it says the first thing back, which it does inside. */
async function untilInside(child: ChildProcess): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let words = '';
  const fail = (code: 'Unavailable' | 'DeadlineExceeded', fact: string): void =>
    reject(new BerthError(code, `Cannot make a user namespace: ${fact}`));
  const timer = setTimeout(() => fail('DeadlineExceeded', `not within ${DEADLINE_MS} ms`), DEADLINE_MS);
  child.stderr?.on('data', (data: Buffer) => (words += data.toString('utf8')));
  child.stdout?.once('data', () => resolve(child.pid ?? 0));
  child.once('error', (error) => fail('Unavailable', messageOf(error)));
  child.once('close', () => fail('Unavailable', words.trim() || 'it ended without a word'));
  child.stdin?.on('error', () => undefined); // it has ended, and says why
  child.stdin?.write('\n');
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
