import { readFileSync } from 'node:fs';
import { chmod, chown, mkdir, readFile, readdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BerthError, isMissing } from '../base/errors.ts';
import type { ContainerRow, RunProcesses } from '../engine/container/state.ts';
import { runtimeIdOf } from '../engine/container/state.ts';
import type { RunRef } from '../engine/ports.ts';
import type { SandboxRow } from '../engine/sandbox/state.ts';

/** What is written beside a run before anything of it is made: a lost database can be rebuilt from it. */
export interface RunFile {
  readonly version: 1;
  readonly row: ContainerRow;
  readonly sandbox: SandboxRow;
  readonly cgroupPath: string;
}

/**
 * The volatile folders of runs: `<root>/runs/<container>/<n>/`, with run.json, the OCI bundle, and what the monitor
 * leaves there. It is the last thing of a run that is removed.
 */
export class RunFolders {
  readonly #root: string;

  /** @param root on a tmpfs: `/run/berth` */
  constructor(root: string) {
    this.#root = root;
  }

  /** Where the monitors write how their runs ended. */
  get exits(): string {
    return `${this.#root}/exits`;
  }

  pathOf({ containerId, number }: RunRef): string {
    return `${this.#root}/runs/${containerId}/${number}`;
  }

  /** Where the images of a run are mounted that are volumes. */
  async volumesOf(run: RunRef): Promise<string[]> {
    const folder = `${this.pathOf(run)}/volumes`;
    return (await namesIn(folder)).map((name) => `${folder}/${name}`);
  }

  exitFileOf(run: RunRef): string {
    return `${this.exits}/${runtimeIdOf(run.containerId, run.number)}`;
  }

  async make(run: RunRef, file: RunFile): Promise<string> {
    const folder = this.pathOf(run);
    await mkdir(`${folder}/rootfs`, { recursive: true, mode: 0o700 });
    await mkdir(this.exits, { recursive: true, mode: 0o700 });
    await writeAtomically(`${folder}/run.json`, JSON.stringify(file));
    return folder;
  }

  /**
   * Lets root of the run's own user namespace, and nobody else of the host, come to the run's root by its path: the
   * runtime goes there as that.
   * @throws BerthError Unavailable when the folder of all runs is where nobody may go
   */
  async letPass(run: RunRef, gid: number): Promise<void> {
    const folder = this.pathOf(run);
    for (let path = this.#root; path !== '/'; path = dirname(path)) await needPassable(path);
    await chmod(`${this.#root}/runs`, 0o711);
    for (const path of [dirname(folder), folder]) {
      await chown(path, 0, gid);
      await chmod(path, 0o710);
    }
  }

  /** Replaces the row of a run that has a folder. */
  async rewrite(run: RunRef, row: ContainerRow): Promise<void> {
    const file = await this.readRunFile(run);
    if (file !== undefined) await writeAtomically(`${this.pathOf(run)}/run.json`, JSON.stringify({ ...file, row }));
  }

  /** Undefined when there is none, or it was cut off. */
  async readRunFile(run: RunRef): Promise<RunFile | undefined> {
    const file = await readJson(`${this.pathOf(run)}/run.json`);
    return isRunFile(file) ? file : undefined;
  }

  /**
   * Synchronous, as it is asked between a freeze and a thaw too; the file is small and in memory.
   * @returns undefined when there is no run.json, or it was cut off
   */
  cgroupPathOf(run: RunRef): string | undefined {
    try {
      const file: unknown = JSON.parse(readFileSync(`${this.pathOf(run)}/run.json`, 'utf8'));
      return isRunFile(file) ? file.cgroupPath : undefined;
    } catch (error) {
      if (isMissing(error) || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  async writeProcesses(run: RunRef, processes: RunProcesses): Promise<void> {
    await writeAtomically(`${this.pathOf(run)}/processes.json`, JSON.stringify(processes));
  }

  async readProcesses(run: RunRef): Promise<RunProcesses | undefined> {
    return (await readJson(`${this.pathOf(run)}/processes.json`)) as RunProcesses | undefined;
  }

  /** Every run that has a folder. */
  async list(): Promise<RunRef[]> {
    const runs: RunRef[] = [];
    for (const containerId of await namesIn(`${this.#root}/runs`)) {
      for (const number of await namesIn(`${this.#root}/runs/${containerId}`)) {
        if (/^\d+$/.test(number)) runs.push({ containerId, number: Number(number) });
      }
    }
    return runs;
  }

  /** The exit file goes first: without the folder nobody would look for it any more. */
  async remove(run: RunRef): Promise<void> {
    const folder = this.pathOf(run);
    // one that is still mounted is EBUSY, and nothing in it goes
    for (const target of [...(await this.volumesOf(run)), `${folder}/rootfs`]) await removeEmptyFolder(target);
    await rm(this.exitFileOf(run), { force: true });
    await rm(folder, { recursive: true, force: true });
    await removeIfEmpty(`${this.#root}/runs/${run.containerId}`);
  }
}

async function needPassable(folder: string): Promise<void> {
  if (((await stat(folder)).mode & 0o001) !== 0) return;
  throw new BerthError(
    'Unavailable',
    `Cannot run it with users of its own: its root is below "${folder}", which only some of the host may enter: chmod o+x`,
  );
}

function isRunFile(file: unknown): file is RunFile {
  return typeof file === 'object' && file !== null && 'row' in file && 'sandbox' in file && 'cgroupPath' in file;
}

async function writeAtomically(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

async function removeEmptyFolder(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

async function removeIfEmpty(folder: string): Promise<void> {
  if ((await namesIn(folder)).length === 0) await rm(folder, { recursive: true, force: true });
}
