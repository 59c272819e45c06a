import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { setTimeout as sleepFor } from 'node:timers/promises';
import type { ContainerAnswer, SandboxAnswer } from '../../src/api/berth/types.ts';
import { Cgroup } from '../../src/linux/cgroup.ts';
import { detectCgroupLayout } from '../../src/linux/cgroup-layout.ts';
import { readStat } from '../../src/linux/process.ts';
import { makeBusyboxRoot } from './busybox-root.ts';
import { hostCensus } from './census.ts';
import { OwnDoor } from './own-door.ts';

const BERTH = new URL('../../berth', import.meta.url).pathname;

export interface DaemonOptions {
  /** More of the configuration, in TOML. */
  readonly config?: string;
  /** `BERTH_FAIL` for the first daemon. */
  readonly fail?: string;
  /** Programs that stand in the daemon's folder; `ROOT` in the configuration means that folder. */
  readonly programs?: Readonly<Record<string, string>>;
  /** Runs the daemon under another program, which passes SIGTERM on. */
  readonly wrap?: readonly string[];
}

/**
 * A real daemon with folders, cgroups and a socket of its own. It can be killed and started again. At the end nothing
 * of it may be left on the host: disposing asserts that.
 */
export class Daemon extends OwnDoor implements AsyncDisposable {
  readonly root: string;
  readonly cgroupParent: string;
  readonly #wrap: readonly string[];
  /** What everything of this daemon has in its name. */
  readonly #own: RegExp;
  #process: ChildProcess | undefined;

  private constructor(options: DaemonOptions) {
    const root = mkdtempSync(join(tmpdir(), 'bd-'));
    super(`${root}/run/berth.sock`);
    this.root = root;
    this.cgroupParent = `/berth-test-${this.root.slice(-6)}`;
    this.#own = new RegExp(`${this.root}|${this.cgroupParent}`);
    this.#wrap = (options.wrap ?? []).map((word) => word.replaceAll('ROOT', this.root));
    const config = `
[paths]
state = "${this.root}/state"
run = "${this.root}/run"
[cgroup]
parent = "${this.cgroupParent}"
[log]
level = "debug"
${options.config?.replaceAll('ROOT', this.root) ?? ''}`;
    writeFileSync(`${this.root}/config.toml`, config);
    for (const [name, text] of Object.entries(options.programs ?? {})) {
      writeFileSync(`${this.root}/${name}`, text.replaceAll('ROOT', this.root), { mode: 0o755 });
    }
    mkdirSync(`${this.root}/run`);
    // as on a real host: what must not survive a reboot is on a tmpfs
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'berth-test', `${this.root}/run`]);
  }

  static async start(options: DaemonOptions = {}): Promise<Daemon> {
    const daemon = new Daemon(options);
    await daemon.boot(options.fail);
    await daemon.loadBusybox();
    return daemon;
  }

  get socket(): string {
    return `${this.root}/run/berth.sock`;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get isAlive(): boolean {
    return this.#process !== undefined && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** What it has logged so far. */
  get log(): string {
    return readFileSync(`${this.root}/daemon.log`, 'utf8');
  }

  /** Starts it, or another one after it. Resolves when its socket answers. */
  async boot(fail?: string): Promise<void> {
    const env = { ...process.env, ...(fail === undefined ? {} : { BERTH_FAIL: fail }) };
    const [program = BERTH, ...before] = this.#wrap.length === 0 ? [] : [...this.#wrap, BERTH];
    const child = spawn(program, [...before, 'serve', '--config', `${this.root}/config.toml`], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env,
    });
    child.stderr.pipe(createWriteStream(`${this.root}/daemon.log`, { flags: 'a' }));
    this.#process = child;
    await this.untilServing();
  }

  async untilServing(): Promise<void> {
    for (;;) {
      try {
        await this.get('/v1/version');
        return;
      } catch (error) {
        if (!this.isAlive) throw new Error(`the daemon does not start:\n${this.log}`, { cause: error });
        await sleepFor(10);
      }
    }
  }

  async untilRecovered(): Promise<void> {
    while (!(await this.get<{ isRecovered: boolean }>('/v1/version')).isRecovered) await sleepFor(5);
  }

  /** `kill -9`, and waits until it is gone. */
  async kill(): Promise<void> {
    if (this.isAlive) this.#process?.kill('SIGKILL');
    await this.untilGone();
  }

  signal(signal: NodeJS.Signals): void {
    const isItself = readFileSync(`/proc/${this.pid}/cmdline`, 'utf8').includes('bin/berth.ts\0serve');
    if (isItself) this.#process?.kill(signal);
    else for (const child of childrenOf(this.pid)) process.kill(child, signal);
  }

  async untilGone(): Promise<void> {
    if (this.isAlive && this.#process !== undefined) await once(this.#process, 'exit');
  }

  async loadBusybox(): Promise<void> {
    const folder = `${this.root}/image`;
    if (!existsSync(folder)) makeBusyboxRoot(folder);
    const tar = spawn('tar', ['-C', folder, '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const answer = await this.lines('POST', '/v1/images?name=busybox', tar.stdout);
    const last = answer.at(-1) as { kind?: string; error?: { message: string } } | undefined;
    assert.equal(last?.kind, 'images', JSON.stringify(last));
  }

  /** Mounts of this daemon's containers. */
  mounts(): string[] {
    return readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(this.root));
  }

  cgroupOf(id: string): Cgroup {
    return new Cgroup(detectCgroupLayout(), `${this.cgroupParent}/${id}`);
  }

  /** As a person with root would do it by hand. */
  freezeFromOutside(id: string): void {
    freeze(this.cgroupOf(id).unified ?? '');
  }

  thawFromOutside(id: string): void {
    writeFileSync(`${this.cgroupOf(id).unified ?? ''}/cgroup.freeze`, '0');
  }

  freezeParentFromOutside(): void {
    freeze(`${detectCgroupLayout().unified ?? ''}${this.cgroupParent}`);
  }

  thawParentFromOutside(): void {
    writeFileSync(`${detectCgroupLayout().unified ?? ''}${this.cgroupParent}/cgroup.freeze`, '0');
  }

  monitorOf(id: string): number {
    const file = `${this.root}/run/runs/${id}/1/processes.json`;
    return (JSON.parse(readFileSync(file, 'utf8')) as { monitor: { pid: number } }).monitor.pid;
  }

  /** Command lines of the container's processes. */
  processesOf(id: string): string[] {
    return this.cgroupOf(id)
      .pids()
      .map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim());
  }

  async untilProcess(id: string, pattern: RegExp): Promise<void> {
    while (!this.processesOf(id).some((line) => pattern.test(line))) await sleepFor(10);
  }

  async untilNoProcess(id: string, pattern: RegExp): Promise<void> {
    while (this.processesOf(id).some((line) => pattern.test(line))) await sleepFor(10);
  }

  /** Not a zombie. */
  static isProcessAlive(pid: number): boolean {
    const stat = readStat(pid);
    return stat !== undefined && stat.state !== 'Z' && stat.state !== 'X';
  }

  /** Removes every container, ends the daemon, and asserts that the host is as it was. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (!this.isAlive) await this.boot();
      await this.untilRecovered();
      const { sandboxes } = await this.get<{ sandboxes: SandboxAnswer[] }>('/v1/sandboxes');
      await Promise.all(sandboxes.map(({ id }) => this.delete(`/v1/sandboxes/${id}`)));
      const { containers } = await this.get<{ containers: ContainerAnswer[] }>('/v1/containers');
      await Promise.all(containers.map(({ id }) => this.remove(id, true)));
      while ((await this.get<{ debts: unknown[] }>('/v1/debts')).debts.length > 0) await sleepFor(50);
      this.signal('SIGTERM');
      await this.untilGone();
      assert.equal(this.#process?.exitCode, 0, this.log);
      assert.deepEqual(hostCensus(this.#own).cgroups, [], 'no cgroup is left');
      const unexpected = this.log.split('\n').filter((line) => line.includes('unexpected failure'));
      assert.deepEqual(unexpected, []);
    } finally {
      await this.kill();
      execFileSync('umount', ['-l', `${this.root}/run`]);
      removeCgroupParent(this.cgroupParent);
      rmSync(this.root, { recursive: true, force: true });
    }
    const nothing = { processes: [], mounts: [], cgroups: [], loops: [] };
    assert.deepEqual(hostCensus(this.#own), nothing, 'the host is as it was');
  }
}

/**
 * A test on a real daemon of its own. When it fails, the daemon's log is shown; when the host is not as it was
 * afterwards, that is a failure too.
 */
export function story(name: string, ...rest: StoryArguments): void {
  const [options, body] = rest.length === 1 ? [{}, rest[0]] : rest;
  test(name, async (t) => {
    const daemon = await Daemon.start(options);
    try {
      await body(daemon, t);
    } catch (error) {
      process.stderr.write(`${name}\n${daemon.log.split('\n').slice(-40).join('\n')}\n`);
      await daemon[Symbol.asyncDispose]().catch((later: unknown) =>
        process.stderr.write(`and then: ${String(later)}\n`),
      );
      throw error;
    }
    await daemon[Symbol.asyncDispose]();
  });
}

type StoryBody = (daemon: Daemon, t: TestContext) => Promise<void>;
type StoryArguments = readonly [StoryBody] | readonly [DaemonOptions, StoryBody];

/** Until all of it stands still. */
function freeze(cgroup: string): void {
  writeFileSync(`${cgroup}/cgroup.freeze`, '1');
  while (!readFileSync(`${cgroup}/cgroup.events`, 'utf8').includes('frozen 1'));
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
}

/** The folder above the containers' cgroups is the configuration's, so it is the test that removes it. */
function removeCgroupParent(parent: string): void {
  const script = 'find /sys/fs/cgroup -maxdepth 2 -depth -name "$1" -type d -exec rmdir {} +';
  execFileSync('sh', ['-c', script, '-', parent.slice(1)]);
}
