import { closeSync, mkdirSync, openSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { errnoOf, isMissing } from '../base/errors.ts';
import type { Usage, UsageDetails } from '../base/usage.ts';
import type { CgroupLayout } from './cgroup-layout.ts';
import { readDetails } from './cgroup-details.ts';
import { CgroupLook } from './cgroup-look.ts';
import { readUsage } from './cgroup-usage.ts';
import { Pidfd, identify } from './process.ts';

const POLL_FREEZE_MS = 0.5;

/** Who keeps the processes of a cgroup from running. */
export type FrozenBy = 'nobody' | 'itself' | { readonly ancestor: string };

/**
 * What a guard needs to kill a cgroup without the daemon. The descriptors refer to this very cgroup: a successor that
 * is made under the same path is out of their reach (a write gives ENODEV).
 */
export interface KillDescriptors extends Disposable {
  /** v2 `cgroup.kill`. */
  readonly kill: number | undefined;
  /** v2 `cgroup.freeze`. */
  readonly freeze: number | undefined;
  /** v1 `freezer.state`. */
  readonly freezer: number | undefined;
  /** v1 `cgroup.procs`, opened only where there is no v2 tree. */
  readonly procs: number | undefined;
}

/**
 * One cgroup in all hierarchies of the host. Its files answer from the kernel's memory, so they are read and written
 * synchronously, except for what may wait for the kernel: moving processes.
 */
export class Cgroup {
  readonly path: string;
  readonly #layout: CgroupLayout;

  /** @param path below every hierarchy's root: `/berth/<id>` */
  constructor(layout: CgroupLayout, path: string) {
    this.#layout = layout;
    this.path = path;
  }

  /** The folder in the v2 tree, on v2 and hybrid hosts. */
  get unified(): string | undefined {
    return this.#layout.unified === undefined ? undefined : this.#layout.unified + this.path;
  }

  get exists(): boolean {
    return this.#folders().some((folder) => readOrUndefined(`${folder}/cgroup.procs`) !== undefined);
  }

  /** Every process in it and below it. */
  pids(): number[] {
    const top = this.unified ?? this.#freezer() ?? this.#folders()[0];
    return top === undefined ? [] : pidsBelow(top);
  }

  /**
   * Stops every process of the cgroup where it is. Returns false when they did not all stand still within the time:
   * then nothing is left frozen by this call.
   */
  async freeze(withinMs: number): Promise<boolean> {
    if (this.#isV1Frozen() || this.#isUnifiedFrozen()) return true;
    this.#writeFreeze(true);
    const end = performance.now() + withinMs;
    while (!this.#isStill()) {
      if (performance.now() >= end) {
        this.#writeFreeze(false);
        return false;
      }
      await sleepFor(POLL_FREEZE_MS);
    }
    return true;
  }

  /** Lets the processes run again, whoever had frozen them at this cgroup. A frozen ancestor is not touched. */
  thaw(): void {
    if (this.unified !== undefined) writeIfThere(`${this.unified}/cgroup.freeze`, '0');
    const freezer = this.#freezer();
    if (freezer !== undefined) writeIfThere(`${freezer}/freezer.state`, 'THAWED');
  }

  frozenBy(): FrozenBy {
    if (this.#isV1Frozen() || this.#isUnifiedFrozen()) return 'itself';
    const ancestor = this.#frozenAncestor();
    return ancestor === undefined ? 'nobody' : { ancestor };
  }

  /** SIGKILL to every process in it and below it, frozen ones too. Safe to repeat. */
  kill(bootId: string): void {
    const { unified } = this;
    if (unified !== undefined) {
      writeIfThere(`${unified}/cgroup.kill`, '1');
      this.#thawV1(); // a process frozen by the v1 freezer dies only when it thaws
      return;
    }
    const freezer = this.#freezer();
    if (freezer === undefined) return;
    writeIfThere(`${freezer}/freezer.state`, 'FROZEN'); // so that they make no more of them
    this.signalAll(bootId, 9);
    this.#thawV1();
  }

  /**
   * Signals every process in it and below it. A number in the list may have come to mean another process by the time
   * that it is opened, so the list is asked again while all of them are held.
   * @returns how many there were
   */
  signalAll(bootId: string, signal: number, but?: number): number {
    using held = new DisposableStack();
    const opened = this.pids().flatMap((pid) => {
      const identity = pid === but ? undefined : identify(bootId, pid);
      const pidfd = identity === undefined ? undefined : Pidfd.open(identity, bootId);
      return pidfd === undefined ? [] : [held.use(pidfd)];
    });
    const still = new Set(this.pids());
    return opened.filter((pidfd) => still.has(pidfd.identity.pid) && pidfd.signal(signal)).length;
  }

  openKillDescriptors(): KillDescriptors {
    const { unified } = this;
    const freezerFolder = this.#freezer();
    const kill = unified === undefined ? undefined : openIfThere(`${unified}/cgroup.kill`, 'w');
    const freeze = unified === undefined ? undefined : openIfThere(`${unified}/cgroup.freeze`, 'w');
    const freezer = freezerFolder === undefined ? undefined : openIfThere(`${freezerFolder}/freezer.state`, 'w');
    const procs =
      unified !== undefined || freezerFolder === undefined
        ? undefined
        : openIfThere(`${freezerFolder}/cgroup.procs`, 'r');
    const all = [kill, freeze, freezer, procs].filter((fd) => fd !== undefined);
    return { kill, freeze, freezer, procs, [Symbol.dispose]: () => all.forEach((fd) => closeSync(fd)) };
  }

  /** How many processes of it the kernel has killed for want of memory; undefined where that is not counted. */
  oomKills(): number | undefined {
    const file =
      this.#layout.mode === 'v2'
        ? `${this.unified ?? ''}/memory.events`
        : `${this.#folderOf('memory') ?? ''}/memory.oom_control`;
    const count = /^oom_kill (\d+)$/m.exec(readOrUndefined(file) ?? '')?.[1];
    return count === undefined ? undefined : Number(count);
  }

  /** What its processes use; undefined when it does not exist. On a hybrid host each controller is asked where it is. */
  usage(): Usage | undefined {
    return this.exists ? this.#usage(this.#look()) : undefined;
  }

  /** Likewise with everything that the kernel counts. */
  details(): UsageDetails | undefined {
    const look = this.#look();
    return this.exists ? readDetails(look, this.#usage(look)) : undefined;
  }

  /** One of its files, whose name begins with its controller's; undefined when it is not there. */
  read(file: string): string | undefined {
    return this.#look().text(file);
  }

  /** Where that file is. */
  fileOf(file: string): string {
    return this.#look().pathOf(file);
  }

  /** The names of the cgroups below it in a controller's hierarchy. */
  namesBelow(controller: string): string[] {
    const folder = this.#folderOf(controller) ?? this.unified;
    return folder === undefined ? [] : foldersIn(folder).map((below) => below.slice(folder.length + 1));
  }

  /** A cgroup below this one, for one exec: what holds for the container holds for it too. */
  child(name: string): Cgroup {
    return new Cgroup(this.#layout, `${this.path}/${name}`);
  }

  /**
   * Makes it in every hierarchy. v1's cpuset takes no process before it has processors and memory nodes.
   * @throws Error ENOENT when the cgroup above it is gone
   */
  make(): void {
    for (const folder of this.#folders()) {
      try {
        mkdirSync(folder);
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') throw error;
      }
    }
    const cpuset = this.#folderOf('cpuset');
    if (cpuset === undefined) return;
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      writeIfThere(`${cpuset}/${file}`, readOrUndefined(`${cpuset}/../${file}`)?.trim() ?? '');
    }
  }

  /**
   * Removes it and what is below it from every hierarchy.
   * @throws Error EBUSY while a process is in it
   */
  remove(): void {
    for (const folder of this.#folders()) removeTree(folder);
  }

  /** Removes it where nothing is in it, neither processes nor other cgroups. */
  removeIfUnused(): void {
    for (const folder of this.#folders()) {
      try {
        rmdirSync(folder);
      } catch (error) {
        if (!isMissing(error) && errnoOf(error) !== 'EBUSY' && errnoOf(error) !== 'ENOTEMPTY') throw error;
      }
    }
  }

  #look(): CgroupLook {
    return new CgroupLook(this.#layout, this.path);
  }

  #usage(look: CgroupLook): Usage {
    return { ...readUsage(look), processes: this.pids().length };
  }

  #folders(): string[] {
    const mounts = new Set(this.#layout.controllers.values());
    if (this.#layout.unified !== undefined) mounts.add(this.#layout.unified);
    return [...mounts].map((mount) => mount + this.path);
  }

  #folderOf(controller: string): string | undefined {
    const mount = this.#layout.controllers.get(controller);
    return mount === undefined ? undefined : mount + this.path;
  }

  #freezer(): string | undefined {
    return this.#folderOf('freezer');
  }

  #writeFreeze(isFrozen: boolean): void {
    if (this.unified !== undefined) writeIfThere(`${this.unified}/cgroup.freeze`, isFrozen ? '1' : '0');
    else if (isFrozen) writeIfThere(`${this.#freezer() ?? ''}/freezer.state`, 'FROZEN');
    else this.#thawV1();
  }

  #thawV1(): void {
    const freezer = this.#freezer();
    if (freezer !== undefined) writeIfThere(`${freezer}/freezer.state`, 'THAWED');
  }

  /** Every process stands still: the v2 tree says so in cgroup.events, the v1 freezer in its state. */
  #isStill(): boolean {
    if (this.unified === undefined) return this.#isV1Frozen();
    return /^frozen 1$/m.test(readOrUndefined(`${this.unified}/cgroup.events`) ?? '');
  }

  #isUnifiedFrozen(): boolean {
    return (
      this.unified !== undefined && readOrUndefined(`${this.unified}/cgroup.freeze`)?.trim() === '1' && this.#isStill()
    );
  }

  #isV1Frozen(): boolean {
    const freezer = this.#freezer();
    if (freezer === undefined || readOrUndefined(`${freezer}/freezer.self_freezing`)?.trim() !== '1') return false;
    return readOrUndefined(`${freezer}/freezer.state`)?.trim() === 'FROZEN';
  }

  #frozenAncestor(): string | undefined {
    const parts = this.path.split('/').filter(Boolean);
    for (let depth = parts.length - 1; depth > 0; depth -= 1) {
      const ancestor = new Cgroup(this.#layout, `/${parts.slice(0, depth).join('/')}`);
      if (ancestor.#isV1Frozen() || ancestor.#isUnifiedFrozen()) return ancestor.path;
    }
    return undefined;
  }
}

function pidsBelow(folder: string): number[] {
  const own = (readProcs(`${folder}/cgroup.procs`) ?? '').split('\n').filter(Boolean).map(Number);
  return [...own, ...foldersIn(folder).flatMap(pidsBelow)];
}

/** A threaded cgroup lists no processes: the one above it has them. */
function readProcs(file: string): string | undefined {
  try {
    return readOrUndefined(file);
  } catch (error) {
    if (errnoOf(error) === 'EOPNOTSUPP' || errnoOf(error) === 'ENOTSUP') return undefined;
    throw error;
  }
}

function foldersIn(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => `${folder}/${entry.name}`);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

function removeTree(folder: string): void {
  for (const child of foldersIn(folder)) removeTree(child);
  try {
    rmdirSync(folder);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** A cgroup may vanish at any moment; then ENOENT, or ENODEV from a file that was open already. */
function isGone(error: unknown): boolean {
  return isMissing(error) || errnoOf(error) === 'ENODEV' || errnoOf(error) === 'ESRCH';
}

function readOrUndefined(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function writeIfThere(file: string, text: string): boolean {
  try {
    writeFileSync(file, text, { flag: 'r+' });
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

function openIfThere(file: string, flag: 'r' | 'w'): number | undefined {
  try {
    return openSync(file, flag);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}
