import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { BerthError, errnoOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Children, RunResult } from '../../linux/children.ts';
import type { JsonObject } from './config.ts';
import { readPluginError } from './plugin-error.ts';

export type Command = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS';

/** One call of one plugin. @see CNI SPEC.md, "Section 2: Execution Protocol" */
export interface PluginCall {
  readonly command: Command;
  readonly type: string;
  readonly config: JsonObject;
  /** What it is called for; GC and STATUS are for nobody. */
  readonly attachment?: {
    readonly containerId: string;
    /** Empty: the namespace is gone. */
    readonly netns: string;
    readonly ifName: string;
    readonly args: readonly (readonly [key: string, value: string])[];
  };
}

/** A program that is being written cannot be run: an installer replaces it just now. */
const BUSY_TRIES = 5;
const BUSY_WAIT_MS = 200;

/** Runs plugins: programs that get their orders by environment and standard input. */
export class PluginRunner {
  readonly folders: readonly string[];
  readonly #children: Children;
  readonly #timeoutMs: number;
  readonly #log: Log;

  constructor(parts: { children: Children; folders: readonly string[]; timeoutMs: number; log: Log }) {
    this.folders = parts.folders;
    this.#children = parts.children;
    this.#timeoutMs = parts.timeoutMs;
    this.#log = parts.log;
  }

  /** Where the plugin's program is; undefined when it is nowhere. */
  async find(type: string): Promise<string | undefined> {
    for (const folder of this.folders) {
      if (await isProgram(`${folder}/${type}`)) return `${folder}/${type}`;
    }
    return undefined;
  }

  /**
   * @returns what the plugin printed
   * @throws PluginError when it says no; BerthError Unavailable when it is not there, DeadlineExceeded when it takes too
   *   long, Cancelled when `signal` aborts: then it is killed with all that it started
   */
  async run(call: PluginCall, signal?: AbortSignal): Promise<string> {
    const file = await this.find(call.type);
    if (file === undefined) {
      const message = `Cannot find network plugin "${call.type}" in ${this.folders.join(', ')}`;
      throw new BerthError('Unavailable', message);
    }
    const begunAt = performance.now();
    const { code, stdout, stderr } = await this.#start(file, call, signal);
    this.#log.debug('network plugin ran', {
      command: call.command,
      plugin: call.type,
      sandbox: call.attachment?.containerId,
      tookMs: Math.round(performance.now() - begunAt),
      code,
      ...(stderr === '' ? {} : { stderr: stderr.slice(0, 1_000) }),
    });
    if (code !== 0) throw readPluginError(call.type, code, stdout, stderr);
    return stdout;
  }

  async #start(file: string, call: PluginCall, signal: AbortSignal | undefined): Promise<RunResult> {
    const options = {
      deadlineMs: this.#timeoutMs,
      env: this.#environment(call),
      input: JSON.stringify(call.config),
      ownSession: true,
      ...(signal === undefined ? {} : { signal }),
    };
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#children.run(file, [], options);
      } catch (error) {
        const isBusy = error instanceof BerthError && errnoOf(error.cause) === 'ETXTBSY';
        if (!isBusy || tries === BUSY_TRIES) throw error;
        await sleepFor(BUSY_WAIT_MS);
      }
    }
  }

  #environment({ command, attachment }: PluginCall): Record<string, string> {
    const base = { CNI_COMMAND: command, CNI_PATH: this.folders.join(':') };
    if (attachment === undefined) return base;
    return {
      ...base,
      CNI_CONTAINERID: attachment.containerId,
      CNI_NETNS: attachment.netns,
      CNI_IFNAME: attachment.ifName,
      CNI_ARGS: attachment.args.map(([key, value]) => `${key}=${value}`).join(';'),
    };
  }
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false; // not there, or not for us
  }
}
