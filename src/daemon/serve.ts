import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { createApiServer } from '../api/berth/index.ts';
import { BerthError, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { peerCredentials } from '../linux/abi.ts';
import { Cgroup } from '../linux/cgroup.ts';
import { notifyManager } from '../linux/sd-notify.ts';
import { assemble } from './assemble.ts';
import type { Assembly } from './assemble.ts';
import type { Config } from './config.ts';
import { createLog } from './log.ts';
import { version } from './version.ts';

/**
 * Runs the daemon until it is told to end. Containers outlive it.
 * @throws BerthError Busy when another daemon uses the state; PermissionDenied without root
 */
export async function serve(config: Config): Promise<void> {
  if (process.getuid?.() !== 0) throw new BerthError('PermissionDenied', 'Cannot serve: must be run as root');
  process.umask(0o022);
  process.chdir('/');
  const log = createLog(config.log.level);
  const assembly = await assemble(config, log);
  const server = createApiServer({
    engine: assembly.engine,
    log,
    version,
    doctor: () => hostFindings(assembly, config),
    peerOf,
  });
  await listen(server, config, log);
  notifyManager(process.env['NOTIFY_SOCKET'], 'READY=1');
  log.info('serving', { socket: config.api.socket, version, pid: process.pid });
  const recovery = assembly.engine.recover();
  recovery.catch((error: unknown) => log.error('recovery failed', { error: messageOf(error) }));
  await untilTold(log);
  notifyManager(process.env['NOTIFY_SOCKET'], 'STOPPING=1');
  assembly.engine.close();
  server.close();
  server.closeAllConnections();
  new Cgroup(assembly.layout, config.cgroup.parent).removeIfUnused();
  log.flush();
  process.exit(0); // children and threads need no goodbye: everything is saved
}

async function listen(server: Server, config: Config, log: Log): Promise<void> {
  const { socket, group } = config.api;
  rmSync(socket, { force: true }); // the lock says that nobody else serves it
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', (error) => {
    reject(new BerthError('Unavailable', `Cannot listen on "${socket}": ${messageOf(error)}`, { cause: error }));
  });
  server.listen(socket, () => resolve());
  await promise;
  chmodSync(socket, 0o660);
  const gid = findGroup(group);
  if (gid === undefined) log.warn('group of the socket does not exist; only root may use it', { group });
  else chownSync(socket, 0, gid);
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

function peerOf(socket: Socket): string {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  if (typeof fd !== 'number' || fd < 0) return 'unknown';
  const { uid, pid } = peerCredentials(fd);
  return `uid ${uid}, pid ${pid}`;
}

function hostFindings({ layout, outside, engine, isInChroot }: Assembly, { paths }: Config) {
  return [
    ...(isInChroot
      ? [
          {
            level: 'warning' as const,
            text: 'The daemon is in a chroot: no command can be run in a container (exec)',
            advice: 'run it on the host, or in a container, whose root is its own',
          },
        ]
      : []),
    ...(isInMemory(paths.run)
      ? []
      : [
          {
            level: 'warning' as const,
            text: `The run folder "${paths.run}" is on a disk: after a reboot it would tell of runs that are over`,
            advice: 'mount a tmpfs there, as /run is on most systems',
          },
        ]),
    { level: 'ok' as const, text: `cgroups are ${layout.mode}` },
    engine.isRecovered
      ? { level: 'ok' as const, text: 'Every container of an earlier daemon was seen to' }
      : { level: 'warning' as const, text: 'Recovery is still going on' },
    ...outside.hanging.map((path) => ({
      level: 'warning' as const,
      text: `A process hangs looking at "${path}": its file system does not answer`,
    })),
  ];
}

/** @see linux/magic.h */
const MEMORY_FILE_SYSTEMS = new Set([0x01021994, 0x858458f6]); // tmpfs, ramfs

function isInMemory(folder: string): boolean {
  return MEMORY_FILE_SYSTEMS.has(statfsSync(folder).type);
}

function untilTold(log: Log): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        log.info('ending; containers run on', { signal });
        resolve();
      });
    }
  });
}
