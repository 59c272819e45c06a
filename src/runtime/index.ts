import { mkdir, readdir, rm } from 'node:fs/promises';
import type { Clock } from '../base/clock.ts';
import { BerthError } from '../base/errors.ts';
import type { Runtime } from '../engine/ports.ts';
import type { CgroupLayout } from '../linux/cgroup-layout.ts';
import type { Children } from '../linux/children.ts';
import type { NamespaceThread } from '../linux/namespaces.ts';
import type { Outside } from '../linux/outside.ts';
import type { ProcessWatch } from '../linux/process-watch.ts';
import type { StreamThread } from '../linux/stream-thread.ts';
import { AttachHub } from './attach-hub.ts';
import { Conmon } from './conmon.ts';
import { findProgram } from './program.ts';
import { readHostAbilities } from './host.ts';
import { readCounters } from './counters.ts';
import { OciCli } from './oci-cli.ts';
import { createOciRuntime } from './oci-runtime.ts';
import { RunMemory } from './parts.ts';
import { RunFolders } from './run-folder.ts';

export { PinnedNamespaces } from './namespaces.ts';

export interface OciRuntimeOptions {
  /** The name that requests use: `crun`. */
  readonly handler: string;
  readonly runtimePath: string;
  readonly monitorPath: string;
  /** On a tmpfs: `/run/berth`. */
  readonly runRoot: string;
  /** `/berth`. */
  readonly cgroupParent: string;
  /** catatonit: its name, or its path. */
  readonly initProgram: string;
  readonly clock: Clock;
  readonly children: Children;
  readonly processes: ProcessWatch;
  readonly thread: NamespaceThread;
  readonly streams: StreamThread;
  readonly outside: Outside;
  readonly layout: CgroupLayout;
  /** The daemon's root is not that of its mount namespace. */
  readonly isInChroot: boolean;
}

/** Versions of crun whose exec FIFO was tried: one byte lets the program go. The others are started by their own verb. */
const KNOWN_FIFO = /^crun version 1\.(8\.1|14\.1|21)$/;

/** @throws BerthError Unavailable when the runtime's program cannot be run; Unsupported when it is none that berth knows */
export async function openOciRuntime(options: OciRuntimeOptions): Promise<Runtime> {
  const { clock, children, runRoot } = options;
  const copies = `${runRoot}/copies`;
  await clearCopies(copies, options.thread);
  const cli = new OciCli(children, findProgram(options.runtimePath), `${runRoot}/${options.handler}`, copies);
  const version = await cli.version();
  if (!version.startsWith('crun ')) {
    const message = `Cannot use "${cli.path}" as runtime "${options.handler}": it says "${version}", must be crun`;
    throw new BerthError('Unsupported', message, { field: `runtime.handlers.${options.handler}.path` });
  }
  const folders = new RunFolders(runRoot);
  const { bootId } = clock;
  const monitor = new Conmon(findProgram(options.monitorPath), { children, cli, folders, bootId });
  return createOciRuntime(options.handler, {
    ...options,
    cli,
    folders,
    monitor,
    attachments: new AttachHub({ streams: options.streams, monitor, folders, bootId }),
    host: readHostAbilities(options.layout),
    counters: readCounters(options.layout),
    bindsWhole: isSince(version, 1, 9),
    hasKnownFifo: KNOWN_FIFO.test(version),
    memory: new RunMemory(),
  });
}

/** @param version `crun version 1.8.1` @see crun 1.9, src/libcrun/linux.c: get_bind_mount */
function isSince(version: string, major: number, minor: number): boolean {
  const [, own = 0, ownMinor = 0] = (/ (\d+)\.(\d+)/.exec(version) ?? []).map(Number);
  return own > major || (own === major && ownMinor >= minor);
}

/** What killed runtimes have left. One that starts just now has opened its copy already, or makes another. */
async function clearCopies(folder: string, thread: NamespaceThread): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) {
    await thread.call({ op: 'unmount', target: `${folder}/${name}` });
    await rm(`${folder}/${name}`, { force: true });
  }
}
