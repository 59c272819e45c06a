import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, readFileSync, rmSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { BerthError, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { peerCredentials } from '../linux/abi.ts';

/**
 * Opens a door's socket, for root and for the group. There is nobody else whose socket it could be: the daemon has the
 * state's lock.
 * @throws BerthError Unavailable when the path cannot be listened on
 */
export async function listen(server: Server, path: string, group: string, log: Log): Promise<void> {
  rmSync(path, { force: true });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', (error) => {
    reject(new BerthError('Unavailable', `Cannot listen on "${path}": ${messageOf(error)}`, { cause: error }));
  });
  server.listen(path, () => resolve());
  await promise;
  chmodSync(path, 0o660);
  const gid = findGroup(group);
  if (gid === undefined) log.warn('group of the socket does not exist; only root may use it', { group, socket: path });
  else chownSync(path, 0, gid);
}

/** From the file first; other sources of names are asked only when it has none, and may take long. */
function findGroup(name: string): number | undefined {
  const entry = new RegExp(`^${name}:[^:]*:(\\d+):`, 'm').exec(readFileSync('/etc/group', 'utf8'));
  if (entry?.[1] !== undefined) return Number(entry[1]);
  try {
    return Number(execFileSync('getent', ['group', name], { timeout: 1_000, encoding: 'utf8' }).split(':')[2]);
  } catch {
    return undefined; // no such group anywhere
  }
}

/** Who is at the other end, as the kernel knows it: `uid 0, pid 4711`. */
export function peerOf(socket: Socket): string {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  if (typeof fd !== 'number' || fd < 0) return 'unknown';
  const { uid, pid } = peerCredentials(fd);
  return `uid ${uid}, pid ${pid}`;
}
