import { chmodSync, mkdirSync } from 'node:fs';
import { SystemClock } from '../base/clock.ts';
import { parseFailpoints } from '../base/failpoints.ts';
import type { Log } from '../base/log.ts';
import { Engine } from '../engine/index.ts';
import type { Runtime } from '../engine/ports.ts';
import { openImages } from '../images/index.ts';
import { boottime } from '../linux/abi.ts';
import { detectCgroupLayout } from '../linux/cgroup-layout.ts';
import type { CgroupLayout } from '../linux/cgroup-layout.ts';
import { Children } from '../linux/children.ts';
import { lockState } from '../linux/lock.ts';
import { NamespaceThread } from '../linux/namespaces.ts';
import { Outside } from '../linux/outside.ts';
import { ProcessWatch } from '../linux/process-watch.ts';
import { readBootId } from '../linux/process.ts';
import { StreamThread } from '../linux/stream-thread.ts';
import { PinnedNamespaces, openOciRuntime } from '../runtime/index.ts';
import type { CniNetwork } from '../network/index.ts';
import { openNetwork } from '../network/index.ts';
import { openStore } from '../state/index.ts';
import type { Config } from './config.ts';
import { registrySettings } from './registry-settings.ts';

export interface Assembly {
  readonly engine: Engine;
  readonly network: CniNetwork;
  readonly layout: CgroupLayout;
  readonly outside: Outside;
  readonly namespaces: PinnedNamespaces;
  /** Then no command is run in a container. */
  readonly isInChroot: boolean;
}

/** The wiring of the whole daemon, from the kernel up. What it opens is open until the process ends. */
export async function assemble(config: Config, log: Log): Promise<Assembly> {
  const { state, run } = config.paths;
  mkdirSync(state, { recursive: true, mode: 0o700 });
  chmodSync(state, 0o700); // in it are environments, which is where people keep their secrets
  mkdirSync(run, { recursive: true, mode: 0o755 });
  const bootId = readBootId();
  const clock = new SystemClock(bootId, boottime);
  const lock = lockState(`${state}/lock`, bootId);
  if (lock.overridden !== undefined) {
    log.warn('a dead daemon still held the state; it hangs in the kernel', { pid: lock.overridden.pid });
  }

  const processes = new ProcessWatch(bootId, () => children.reapAdopted());
  const children: Children = new Children((pid) => processes.isWatching(pid));
  children.adoptOrphans();
  const thread = new NamespaceThread();
  const streams = new StreamThread();

  const outside = new Outside(children);
  const layout = detectCgroupLayout();

  const store = openStore({
    folder: state,
    runFolder: run,
    log,
    keepEvents: config.events.keep,
    keepEventsMs: config.events.keep_for,
    runProgram: async (file, args) => {
      const { code } = await children.run(process.execPath, [file, ...args], { deadlineMs: CHECKPOINT_DEADLINE_MS });
      return code;
    },
  });
  const openRuntimes = async () => {
    const isInChroot = await thread.call({ op: 'is-in-chroot' });
    const runtimes = new Map<string, Runtime>();
    for (const [handler, { path }] of Object.entries(config.runtime.handlers)) {
      const programs = { runtimePath: path, monitorPath: config.monitor.path, initProgram: config.sandbox.init };
      const options = { handler, ...programs, runRoot: run, isInChroot };
      const parts = {
        cgroupParent: config.cgroup.parent,
        clock,
        children,
        processes,
        thread,
        streams,
        outside,
        layout,
      };
      runtimes.set(handler, await openOciRuntime({ ...options, ...parts }));
    }
    return { runtimes, isInChroot };
  };
  const openedImages = openImages({
    root: state,
    runRoot: run,
    children,
    thread,
    log,
    limits: { largestUnpackedBytes: config.images.largest_unpacked, mostEntries: config.images.most_entries },
    registries: registrySettings(config),
    pinned: config.images.pinned,
  });
  const failpoints = parseFailpoints(process.env['BERTH_FAIL']);
  const openedNetwork = openNetwork({
    configFolder: config.network.conf_dir,
    pluginFolders: config.network.plugin_dirs,
    pluginTimeoutMs: config.network.plugin_timeout,
    usesBuiltIn: config.network.builtin,
    subnet: config.network.subnet,
    subnet6: config.network.subnet6,
    stateFolder: `${state}/cni`,
    runFolder: `${run}/cni`,
    children,
    log,
    failpoints,
  });
  // Side by side: each of them waits for programs and disks.
  const opened = await Promise.all([openRuntimes(), openedImages, openedNetwork]);
  const [{ runtimes, isInChroot }, images, network] = opened;
  const namespaces = new PinnedNamespaces({ runRoot: run, netnsFolder: config.network.netns_dir, children, thread });
  const engine = new Engine({
    clock,
    log,
    failpoints,
    settings: {
      stopGraceMs: config.stop.grace,
      killBudgetMs: config.stop.kill_budget,
      ignoredSignal: config.stop.ignored_signal,
      lostMonitor: config.monitor.lost,
      startDeadlineMs: config.start.deadline,
      defaultHandler: config.runtime.default,
      logFolder: `${state}/logs`,
      cgroupParent: config.cgroup.parent,
    },
    store,
    runtimes,
    images,
    namespaces,
    network,
  });
  return { engine, network, layout, outside, namespaces, isInChroot };
}

/** A disk that is slower than this is in trouble, and so is everything else on it. */
const CHECKPOINT_DEADLINE_MS = 120_000;
