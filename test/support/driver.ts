import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SystemClock } from '../../src/base/clock.ts';
import type { ProcessIdentity } from '../../src/base/process-identity.ts';
import type { ContainerSpec } from '../../src/engine/container/spec.ts';
import type { RunProcesses } from '../../src/engine/container/state.ts';
import type { ExecPlan, RunRef, Runtime, RunWatch } from '../../src/engine/ports.ts';
import type { NamespacePins, SandboxRow } from '../../src/engine/sandbox/state.ts';
import { boottime } from '../../src/linux/abi.ts';
import { Cgroup } from '../../src/linux/cgroup.ts';
import type { CgroupLayout } from '../../src/linux/cgroup-layout.ts';
import { Children } from '../../src/linux/children.ts';
import { NamespaceThread } from '../../src/linux/namespaces.ts';
import { Outside } from '../../src/linux/outside.ts';
import { ProcessWatch } from '../../src/linux/process-watch.ts';
import { readBootId } from '../../src/linux/process.ts';
import { StreamThread } from '../../src/linux/stream-thread.ts';
import { PinnedNamespaces, openOciRuntime } from '../../src/runtime/index.ts';
import { makeBusyboxRoot } from './busybox-root.ts';
import { layout as hostLayout } from './process-in-cgroup.ts';
import { containerRow, sandboxRow } from './rows.ts';

const clock = new SystemClock(readBootId(), boottime);

/** Compiled seccomp filters, by their checksum. */
const CRUNS_OWN_CACHE = '.cache';

export interface RunOptions {
  readonly sandbox?: Partial<SandboxRow['spec']>;
  readonly pins?: NamespacePins;
  readonly pidOf?: ProcessIdentity;
}

export interface StartedRun extends RunProcesses {
  readonly run: RunRef;
  readonly watch: RunWatch;
  readonly logPath: string;
}

/** The real driver with a run folder, cgroups, an image and logs of its own, and no engine above it. */
export class Driver implements AsyncDisposable {
  readonly root: string = mkdtempSync(join(tmpdir(), 'brt-'));
  readonly cgroupParent: string = `/berth-test-${this.root.slice(-6)}`;
  readonly netnsFolder: string = `${this.root}/netns`;
  readonly thread: NamespaceThread = new NamespaceThread();
  readonly streams: StreamThread = new StreamThread();
  readonly processes: ProcessWatch = new ProcessWatch(clock.bootId);
  readonly children: Children = new Children((pid) => this.processes.isWatching(pid));
  readonly outside: Outside = new Outside(this.children);
  readonly namespaces: PinnedNamespaces;
  readonly #layout: CgroupLayout;
  readonly #adopting: Disposable;
  #runtime: Runtime | undefined;

  private constructor(layout: CgroupLayout) {
    this.#layout = layout;
    this.#adopting = this.children.adoptOrphans();
    makeBusyboxRoot(`${this.root}/image`);
    const { netnsFolder, children, thread } = this;
    this.namespaces = new PinnedNamespaces({ runRoot: `${this.root}/run`, netnsFolder, children, thread });
  }

  static async open(layout: CgroupLayout = hostLayout): Promise<Driver> {
    const driver = new Driver(layout);
    await driver.reopen();
    return driver;
  }

  get runtime(): Runtime {
    assert.ok(this.#runtime);
    return this.#runtime;
  }

  /** Another daemon's, on the same host. */
  async reopen(): Promise<void> {
    this.#runtime = await openOciRuntime({
      isInChroot: false,
      handler: 'crun',
      runtimePath: '/usr/bin/crun',
      monitorPath: '/usr/bin/conmon',
      initProgram: 'catatonit',
      runRoot: `${this.root}/run`,
      cgroupParent: this.cgroupParent,
      clock,
      children: this.children,
      processes: this.processes,
      thread: this.thread,
      streams: this.streams,
      outside: this.outside,
      layout: this.#layout,
    });
  }

  logOf(run: RunRef): string {
    return `${this.root}/logs/${run.containerId}/container.log`;
  }

  /** Prepares a run with the busybox image as its root; an infra container has a root of its own. */
  async prepare(given: Partial<ContainerSpec>, options: RunOptions = {}): Promise<RunRef> {
    const { spec: base } = containerRow(given);
    const run = { containerId: base.id, number: 1 };
    const own = { logPath: this.logOf(run), cgroupPath: `${this.cgroupParent}/${base.id}` };
    const row = containerRow({ ...base, ...own, ...given }, { runs: 1 });
    const plain = sandboxRow(row);
    const sandbox = { ...plain, spec: { ...plain.spec, ...options.sandbox } };
    await this.namespaces.writeFiles(sandbox.spec, []);
    const plan = { run, row, sandbox, pins: options.pins ?? {}, pidOf: options.pidOf };
    const { rootfs } = await this.runtime.prepare(plan);
    if (row.spec.role === 'workload') await this.#mountRoot(rootfs, plan.pins.user);
    return run;
  }

  /** For users of its own the image is below an overlay, as it may belong to one of them only. */
  async #mountRoot(target: string, userNamespace: string | undefined): Promise<void> {
    if (userNamespace === undefined) {
      execFileSync('mount', ['--bind', `${this.root}/image`, target]);
      return;
    }
    const own = mkdtempSync(`${this.root}/own-`);
    for (const name of ['upper', 'work']) mkdirSync(`${own}/${name}`);
    const data = `lowerdir=image,upperdir=${own}/upper,workdir=${own}/work`;
    const idmap = { userNamespace, place: `${own}/place` };
    const order = { source: 'overlay', target, type: 'overlay', flags: 0, data, folder: this.root, idmap };
    await this.thread.call({ op: 'mount', ...order });
  }

  async start(given: Partial<ContainerSpec>, options: RunOptions = {}): Promise<StartedRun> {
    const run = await this.prepare(given, options);
    const made = await this.runtime.create(run, new AbortController().signal);
    assert.ok('init' in made, JSON.stringify(made));
    const watch = this.runtime.watch(run, made);
    await this.runtime.release(run);
    return { run, watch, logPath: given.logPath ?? this.logOf(run), ...made };
  }

  /** Runs a shell script to its end, and tells what it printed. */
  async output(script: string, given: Partial<ContainerSpec> = {}, options: RunOptions = {}): Promise<string> {
    const { process } = containerRow(given).spec;
    const spec = { ...given, process: { ...process, args: ['/bin/sh', '-c', script] } };
    const { run, watch, logPath } = await this.start(spec, options);
    await watch.monitorEnded;
    await this.clean(run);
    return printedIn(logPath);
  }

  /** Runs a command in a container to its end. */
  async exec(
    run: RunRef,
    args: readonly string[],
    more: Partial<ExecPlan> & { readonly input?: string } = {},
  ): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
    const { input, ...plan } = more;
    const user = { uid: 0, gid: 0, additionalGids: [], home: '/root' };
    const id = String(performance.now()).replace('.', '');
    const streams = { hasStdin: input !== undefined, hasTerminal: false, size: undefined };
    const whole = { id, args, env: ['PATH=/bin'], cwd: '/', user, ...streams, ...plan };
    const exec = await this.runtime.exec(run, whole, new AbortController().signal);
    if (input !== undefined) await exec.write(Buffer.from(input));
    exec.closeInput();
    const said = { stdout: '', stderr: '' };
    for await (const { stream, data } of exec.output) said[stream] += Buffer.from(data).toString('utf8');
    const { code } = await exec.ended;
    return { code, ...said };
  }

  async clean(run: RunRef): Promise<void> {
    for (const step of this.runtime.cleanSteps(run)) await step.perform();
  }

  /** Runs, mounts, cgroups and monitors that are left. */
  census(): string[] {
    const names = (folder: string): string[] =>
      (existsSync(folder) ? readdirSync(folder) : []).filter((name) => name !== CRUNS_OWN_CACHE);
    const trees = new Set([...hostLayout.controllers.values(), hostLayout.unified ?? '']);
    const cgroups = [...trees].flatMap((tree) =>
      names(tree + this.cgroupParent)
        .filter((name) => /^[0-9a-f]{64}$/.test(name))
        .map((name) => `cgroup ${tree}${this.cgroupParent}/${name}`),
    );
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(this.root) && line.split(' ')[1] !== this.netnsFolder);
    const processes = names('/proc').filter((pid) => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(this.root);
      } catch {
        return false;
      }
    });
    const { root } = this;
    const state = [...names(`${root}/run/runs`), ...names(`${root}/run/exits`), ...names(`${root}/run/crun`)];
    return [...cgroups, ...mounts, ...processes.map((pid) => `process ${pid}`), ...state];
  }

  /** Removes what a test that failed has left. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const run of await this.runtime.find()) await this.clean(run);
    for (const id of await this.namespaces.find()) await this.namespaces.removeUnowned(id);
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '');
    for (const target of mounts.filter((path) => path.startsWith(this.root)).toReversed()) {
      await this.thread.call({ op: 'unmount', target });
    }
    this.#adopting[Symbol.dispose]();
    await this.thread[Symbol.asyncDispose]();
    await this.streams[Symbol.asyncDispose]();
    await this.processes[Symbol.asyncDispose]();
    new Cgroup(hostLayout, this.cgroupParent).remove();
    rmSync(this.root, { recursive: true });
  }
}

/** What a container has printed, by its log. */
export function printedIn(logPath: string): string {
  return readFileSync(logPath, 'utf8')
    .split('\n')
    .map((line) => {
      const [, , tag, ...text] = line.split(' ');
      return tag === undefined ? '' : text.join(' ') + (tag === 'F' ? '\n' : '');
    })
    .join('');
}

/** A test on a driver of its own, after which nothing of it is left. */
export function driverTest(name: string, work: (driver: Driver) => Promise<void>): void {
  test(name, async () => {
    const driver = await Driver.open();
    try {
      await work(driver);
      assert.deepEqual(driver.census(), []);
    } finally {
      await driver[Symbol.asyncDispose]();
    }
  });
}
