import { statfsSync } from 'node:fs';
import { createApiServer } from '../api/berth/index.ts';
import { createCriServer, loadGrpc } from '../api/cri/index.ts';
import type { CriServer } from '../api/cri/index.ts';
import { BerthError, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { Cgroup } from '../linux/cgroup.ts';
import { keepInheritedDescriptors } from '../linux/inherited.ts';
import { notifyManager } from '../linux/sd-notify.ts';
import { assemble } from './assemble.ts';
import type { Assembly } from './assemble.ts';
import type { Config } from './config.ts';
import { listen, peerOf } from './listen.ts';
import { createLog } from './log.ts';
import { version } from './version.ts';

/**
 * Runs the daemon until it is told to end. Containers outlive it.
 * @throws BerthError Busy when another daemon uses the state; PermissionDenied without root
 */
export async function serve(config: Config): Promise<void> {
  if (process.getuid?.() !== 0) throw new BerthError('PermissionDenied', 'Cannot serve: must be run as root');
  process.umask(0o022);
  keepInheritedDescriptors();
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
  await listen(server, config.api.socket, config.api.group, log);
  const cri = config.cri.enabled ? await openCri(assembly, config, log) : undefined;
  notifyManager(process.env['NOTIFY_SOCKET'], 'READY=1');
  const sockets = { socket: config.api.socket, ...(cri === undefined ? {} : { cri: config.cri.socket }) };
  log.info('serving', { ...sockets, version, pid: process.pid });
  const recovery = assembly.engine.recover();
  recovery.catch((error: unknown) => log.error('recovery failed', { error: messageOf(error) }));
  await untilTold(log);
  notifyManager(process.env['NOTIFY_SOCKET'], 'STOPPING=1');
  assembly.engine.close();
  server.close();
  server.closeAllConnections();
  cri?.close();
  await assembly.network[Symbol.asyncDispose]().catch((error: unknown) => {
    log.warn('the network was not tidied up', { error: messageOf(error) });
  });
  new Cgroup(assembly.layout, config.cgroup.parent).removeIfUnused();
  await assembly.namespaces.releaseFolder();
  log.flush();
  process.exit(0); // children and threads need no goodbye: everything is saved
}

/** Loads what a daemon with this configuration loads before or after it serves, so that a start finds it compiled. */
export async function rehearse({ cri }: Config): Promise<void> {
  if (cri.enabled) await loadGrpc();
}

async function openCri({ engine }: Assembly, config: Config, log: Log): Promise<CriServer> {
  const { paths, cgroup, runtime } = config;
  const about = {
    version,
    handlers: Object.keys(runtime.handlers),
    configuration: {
      rootDir: paths.state,
      stateDir: paths.run,
      cgroupParent: cgroup.parent,
      defaultRuntime: runtime.default,
      runtimes: runtime.handlers,
    },
  };
  const server = createCriServer({ engine, log, about, peerOf });
  await listen(server.listener, config.cri.socket, config.api.group, log);
  return server;
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
