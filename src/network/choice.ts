import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { BuiltInNetwork } from './builtin/builtin.ts';
import { askStatus } from './cni/chain.ts';
import type { NetworkList } from './cni/config.ts';
import type { ConfigFolder } from './cni/config-folder.ts';
import type { PluginRunner } from './cni/plugin-runner.ts';

const ASK_AGAIN_MS = 30_000;

/** The network that new sandboxes get. */
export interface ChosenNetwork {
  readonly network: NetworkList;
  readonly isBuiltIn: boolean;
}

/**
 * Which network new sandboxes get: that of the configuration folder or, only while there is none in it, the built-in
 * one. Sandboxes that are attached keep theirs.
 */
export class NetworkChoice {
  readonly #folder: ConfigFolder;
  readonly #builtIn: BuiltInNetwork | undefined;
  readonly #runner: PluginRunner;
  readonly #log: Log;
  /** What was found to stand against the network of the folder, although its configuration can be read. */
  #asked: { readonly network: NetworkList; readonly at: number; readonly obstacle: string | undefined } | undefined;

  #refreshing: Promise<void> | undefined;

  constructor(parts: {
    folder: ConfigFolder;
    builtIn: BuiltInNetwork | undefined;
    runner: PluginRunner;
    log: Log;
  }) {
    this.#folder = parts.folder;
    this.#builtIn = parts.builtIn;
    this.#runner = parts.runner;
    this.#log = parts.log;
  }

  /** Why there is none, as of the last `refresh`. */
  get trouble(): string | undefined {
    const { content, path } = this.#folder;
    if (content.kind === 'broken') return `network configuration ${content.file} cannot be used: ${content.why}`;
    if (content.kind === 'network') {
      return this.#asked?.network === content.network ? this.#asked.obstacle : undefined;
    }
    if (this.#builtIn === undefined) return `no network config found in ${path}: ${content.why}`;
    if (this.#builtIn.trouble === undefined) return undefined;
    return `no network config found in ${path}, and the built-in network cannot be used: ${this.#builtIn.trouble}`;
  }

  /** Undefined while there is trouble. */
  get chosen(): ChosenNetwork | undefined {
    if (this.trouble !== undefined) return undefined;
    const { content } = this.#folder;
    if (content.kind === 'network') return { network: content.network, isBuiltIn: false };
    return this.#builtIn === undefined ? undefined : { network: this.#builtIn.network, isBuiltIn: true };
  }

  /** Reads what is configured, and starts nothing. */
  async read(): Promise<void> {
    await this.#folder.read();
    if (this.#folder.content.kind === 'none') await this.#builtIn?.examine();
  }

  /** Looks at everything anew, and asks plugins that can tell whether they work. Who comes meanwhile shares the look. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refreshOnce().finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  async #refreshOnce(): Promise<void> {
    await this.read();
    const { content } = this.#folder;
    if (content.kind === 'network') await this.#ask(content.network);
  }

  /** Programs are started for that, so it is done seldom as long as all is well. */
  async #ask(network: NetworkList): Promise<void> {
    const last = this.#asked?.network === network ? this.#asked : undefined;
    const isFresh = last !== undefined && performance.now() - last.at < ASK_AGAIN_MS;
    if (isFresh && last.obstacle === undefined) return;
    const obstacle = await this.#findObstacle(network);
    if (obstacle !== undefined && obstacle !== last?.obstacle) {
      this.#log.warn('the network takes no sandboxes', { network: network.name, why: obstacle });
    }
    this.#asked = { network, at: performance.now(), obstacle };
  }

  async #findObstacle(network: NetworkList): Promise<string | undefined> {
    for (const { type } of network.plugins) {
      if ((await this.#runner.find(type)) !== undefined) continue;
      return `network "${network.name}" needs plugin "${type}", which is not in ${this.#runner.folders.join(', ')}`;
    }
    try {
      return await askStatus(this.#runner, network);
    } catch (error) {
      return messageOf(error); // a plugin that does not even answer
    }
  }
}
