import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { SystemClock } from '../../src/base/clock.ts';
import type { Runtime } from '../../src/engine/ports.ts';
import { boottime } from '../../src/linux/abi.ts';
import { Cgroup } from '../../src/linux/cgroup.ts';
import type { CgroupLayout } from '../../src/linux/cgroup-layout.ts';
import { Children } from '../../src/linux/children.ts';
import { NamespaceThread } from '../../src/linux/namespaces.ts';
import { Outside } from '../../src/linux/outside.ts';
import { ProcessWatch } from '../../src/linux/process-watch.ts';
import { readBootId } from '../../src/linux/process.ts';
import { openOciRuntime } from '../../src/runtime/index.ts';
import { makeBusyboxRoot } from '../support/busybox-root.ts';
import { layout as hostLayout, layouts } from '../support/process-in-cgroup.ts';
import { containerRow, sandboxRow } from '../support/rows.ts';
import type { ProgramName, RuntimeUnderTest } from './runtime.ts';
import { testRuntime } from './runtime.ts';

/** Compiled seccomp filters, by their checksum. */
const CRUNS_OWN_CACHE = '.cache';

const PROGRAMS: Readonly<Record<ProgramName, readonly string[]>> = {
  counter: ['/bin/sh', '-c', 'trap "echo TERM" TERM; while :; do sleep 1000 & wait $!; done'],
  polite: ['/bin/sh', '-c', 'trap "exit 7" TERM; while :; do sleep 1000 & wait $!; done'],
  deaf: ['/bin/sleep', '1000'],
  brief: ['/bin/sh', '-c', 'exit 3'],
  missing: ['no-such-program'],
};

const clock = new SystemClock(readBootId(), boottime);

async function open(layout: CgroupLayout): Promise<RuntimeUnderTest> {
  const root = mkdtempSync(join(tmpdir(), 'brt-'));
  const cgroupParent = `/berth-test-${root.slice(-6)}`;
  makeBusyboxRoot(`${root}/image`);
  const processes = new ProcessWatch(clock.bootId);
  const children = new Children((pid) => processes.isWatching(pid));
  const adopting = children.adoptOrphans();
  const thread = new NamespaceThread();
  const openRuntime = (): Promise<Runtime> =>
    openOciRuntime({
      isInChroot: false,
      handler: 'crun',
      runtimePath: '/usr/bin/crun',
      monitorPath: '/usr/bin/conmon',
      runRoot: `${root}/run`,
      cgroupParent,
      clock,
      children,
      processes,
      thread,
      outside: new Outside(children),
      layout,
    });
  let runtime = await openRuntime();
  const logOf = (id: string): string => `${root}/logs/${id}/container.log`;
  return {
    get runtime() {
      return runtime;
    },
    tellsEveryEnd: isKernelSince(6, 15), // PIDFD_GET_INFO
    now: boottime,
    prepare: async (program) => {
      const base = containerRow({}, { runs: 1 });
      const { id } = base.spec;
      const process = { ...base.spec.process, args: PROGRAMS[program] };
      const row = { ...base, spec: { ...base.spec, process, logPath: logOf(id) } };
      const run = { containerId: id, number: 1 };
      const plan = { run, row, sandbox: sandboxRow(row), pins: {}, pidOf: undefined };
      const { rootfs } = await runtime.prepare(plan);
      execFileSync('mount', ['--bind', `${root}/image`, rootfs]);
      return run;
    },
    received: (run) => readFileSync(logOf(run.containerId), 'utf8').split('TERM').length - 1,
    complete: (promise) => promise,
    until: async (isTrue) => {
      while (!isTrue()) await sleepFor(5);
    },
    census: () => leftOf(root, cgroupParent),
    restart: async () => {
      runtime = await openRuntime();
    },
    [Symbol.asyncDispose]: async () => {
      adopting[Symbol.dispose]();
      await thread[Symbol.asyncDispose]();
      await processes[Symbol.asyncDispose]();
      new Cgroup(hostLayout, cgroupParent).remove();
      rmSync(root, { recursive: true });
    },
  };
}

function isKernelSince(major: number, minor: number): boolean {
  const [ownMajor = 0, ownMinor = 0] = release().split('.').map(Number.parseFloat);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}

/** Runs, mounts, cgroups and monitors of one test. */
function leftOf(root: string, cgroupParent: string): string[] {
  const names = (folder: string): string[] =>
    (existsSync(folder) ? readdirSync(folder) : []).filter((name) => name !== CRUNS_OWN_CACHE);
  const trees = new Set([...hostLayout.controllers.values(), hostLayout.unified ?? '']);
  const cgroups = [...trees].flatMap((tree) =>
    names(tree + cgroupParent)
      .filter((name) => /^[0-9a-f]{64}$/.test(name))
      .map((name) => `cgroup ${tree}${cgroupParent}/${name}`),
  );
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(root));
  const processes = names('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(root);
    } catch {
      return false;
    }
  });
  const state = [...names(`${root}/run/runs`), ...names(`${root}/run/exits`), ...names(`${root}/run/crun`)];
  return [...cgroups, ...mounts, ...processes.map((pid) => `process ${pid}`), ...state];
}

for (const layout of layouts) testRuntime(`crun under conmon (${layout.mode})`, () => open(layout));
