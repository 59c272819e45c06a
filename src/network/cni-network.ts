import { messageOf } from '../base/errors.ts';
import { shortId } from '../base/ids.ts';
import type { Network, NetworkAttachment, NetworkOrder, RestoredNetwork } from '../engine/ports.ts';
import { attachSandbox } from './attach.ts';
import { checkAttachment } from './cni/chain.ts';
import type { ConfigFolder } from './cni/config-folder.ts';
import { networkError } from './cni/plugin-error.ts';
import { detachSandbox } from './detach.ts';
import type { NetworkParts } from './parts.ts';
import { restoreSandboxes } from './restore.ts';
import { Turns } from './turns.ts';

/** How often is looked for what nobody tells: a folder that appears, rules that others changed. */
const LOOK_EVERY_MS = 5_000;

/** The port Network by CNI plugins. */
export class CniNetwork implements Network, AsyncDisposable {
  readonly #parts: NetworkParts;
  readonly #folder: ConfigFolder;
  readonly #turns = new Turns();
  readonly #timer: NodeJS.Timeout;
  #isClosed = false;
  #looking: Promise<void> | undefined;
  #lookingNext: Promise<void> | undefined;

  constructor(parts: NetworkParts, folder: ConfigFolder) {
    this.#parts = parts;
    this.#folder = folder;
    this.#timer = setInterval(() => void this.look(), LOOK_EVERY_MS).unref();
  }

  get trouble(): string | undefined {
    return this.#parts.choice.trouble;
  }

  attach(order: NetworkOrder, signal: AbortSignal): Promise<NetworkAttachment> {
    return this.#turns.take(order.sandboxId, () => attachSandbox(this.#parts, order, signal), signal);
  }

  detach(sandboxId: string, netns: string | undefined): Promise<void> {
    return this.#turns.take(sandboxId, () => detachSandbox(this.#parts, sandboxId, netns));
  }

  async find(): Promise<readonly string[]> {
    const { records, hostPorts } = this.#parts;
    return [...new Set([...(await records.ids()), ...hostPorts.holders()])];
  }

  restore(sandboxes: readonly RestoredNetwork[]): Promise<void> {
    return restoreSandboxes(this.#parts, sandboxes);
  }

  /**
   * Asks the plugins whether a sandbox's network is as they made it. Not every plugin tells the truth here, so nothing
   * is decided by it.
   * @throws BerthError what is wrong, in the words of the plugin
   */
  check(sandboxId: string): Promise<void> {
    return this.#turns.take(sandboxId, async () => {
      for (const record of await this.#parts.records.find(sandboxId)) {
        if ('why' in record || record.result === undefined) continue;
        try {
          await checkAttachment(this.#parts.runner, record, record.netns, record.result);
        } catch (error) {
          throw networkError(`check the network of sandbox "${shortId(sandboxId)}"`, error);
        }
      }
    });
  }

  /**
   * Looks at the configuration and at the rules in the kernel anew, after a look that is being taken already: that one
   * may have been too early. Never fails: what is wrong is `trouble`.
   */
  look(): Promise<void> {
    if (this.#looking !== undefined) return (this.#lookingNext ??= this.#looking.then(() => this.#lookAgain()));
    this.#looking = this.#lookOnce();
    return this.#looking;
  }

  #lookAgain(): Promise<void> {
    this.#lookingNext = undefined;
    return this.look();
  }

  async #lookOnce(): Promise<void> {
    const { choice, firewall, log } = this.#parts;
    try {
      await Promise.all([choice.refresh(), this.#isClosed ? undefined : firewall.recheck()]);
    } catch (error) {
      log.error('the network cannot be looked at', { error: messageOf(error) });
    } finally {
      this.#looking = undefined;
    }
  }

  /** Looks at nothing any more. What is attached stays attached. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#folder[Symbol.dispose]();
  }

  /** Closes it. When no sandbox is attached nothing of berth's networks is left on the host. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    if ((await this.find()).length > 0) return;
    await this.#parts.firewall.clear();
    await this.#parts.builtIn.remove();
  }
}
