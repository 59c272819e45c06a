import { statSync, statfsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isMissing } from '../base/errors.ts';
import type { IdMappings } from '../base/id-mappings.ts';
import { rootOf } from '../base/id-mappings.ts';
import type { InterfaceUsage } from '../base/usage.ts';
import type { Namespaces } from '../engine/ports.ts';
import type { NamespacePins, SandboxSpec } from '../engine/sandbox/state.ts';
import type { Children } from '../linux/children.ts';
import { ThreadError } from '../linux/namespaces.ts';
import type { NamespaceThread, PinOrder } from '../linux/namespaces.ts';
import { parseNetworkDevices } from '../linux/network-devices.ts';
import { withUserNamespace } from '../linux/user-namespace.ts';
import { removeSandboxFiles, sandboxFolder, writeSandboxFiles } from './sandbox-files.ts';
import { sysctlFailure, sysctlsOf } from './sysctls.ts';

export interface PinnedNamespacesOptions {
  /** On a tmpfs: `/run/berth`. */
  readonly runRoot: string;
  /** Where the network namespaces of pods are, for others to find: `/run/netns`. */
  readonly netnsFolder: string;
  readonly children: Children;
  readonly thread: NamespaceThread;
}

/** As large as other engines make it for a pod. */
const SHM_BYTES = 64 << 20;
const PREFIX = 'berth-';
const ID = /^[0-9a-f]{64}$/;

/** Whoever makes a sandbox meanwhile waits for so many at the most, 0.1 ms each. */
const LOOKS_AT_ONCE = 50;

/** @see linux/magic.h */
const NSFS_MAGIC = 0x6e736673;
const TMPFS_MAGIC = 0x01021994;

/**
 * Namespaces of sandboxes, each kept by a bind mount on a file: no process has to sleep in them. Private ones are below
 * `<run>/ns/<sandbox>`. A pod's network is where `ip netns` has its own, because that is where network plugins and
 * service meshes look.
 */
export class PinnedNamespaces implements Namespaces {
  readonly #runRoot: string;
  readonly #netnsFolder: string;
  readonly #children: Children;
  readonly #thread: NamespaceThread;

  constructor({ runRoot, netnsFolder, children, thread }: PinnedNamespacesOptions) {
    this.#runRoot = runRoot;
    this.#netnsFolder = netnsFolder;
    this.#children = children;
    this.#thread = thread;
  }

  plan({ id, owner }: SandboxSpec, kinds: readonly (keyof NamespacePins)[]): NamespacePins {
    const isPod = owner === undefined;
    return Object.fromEntries(
      kinds.map((kind) => [kind, isPod && kind === 'net' ? this.#sharedPin(id) : `${this.#folderOf(id)}/${kind}`]),
    );
  }

  async create({ id, hostname, sysctls, users }: SandboxSpec, pins: NamespacePins): Promise<void> {
    const wanted = sysctlsOf(sysctls, pins);
    if (Object.keys(pins).length === 0) return;
    const folder = this.#folderOf(id);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const isShared = pins.net !== undefined && dirname(pins.net) === this.#netnsFolder;
    const order = {
      op: 'pin',
      paths: pins,
      hostname,
      sysctls: wanted,
      shmSizeBytes: SHM_BYTES,
      ...(isShared ? { sharedFolder: this.#netnsFolder } : {}),
    } as const;
    try {
      if (users === undefined) await this.#thread.call(order);
      else await this.#pinWith(users, order);
    } catch (error) {
      if (!(error instanceof ThreadError)) throw error; // it may still be at work
      await rm(folder, { recursive: true, force: true });
      throw error.sysctl === undefined ? error : sysctlFailure(error.sysctl, error.code, error.message, error);
    }
  }

  /** Its other namespaces belong to the user namespace: whoever is root in there is root in them. */
  async #pinWith(mappings: IdMappings, order: { readonly op: 'pin' } & PinOrder): Promise<void> {
    const kinds = (['net', 'ipc', 'uts'] as const).filter((kind) => order.paths[kind] !== undefined);
    const owner = rootOf(mappings);
    await withUserNamespace(this.#children, { mappings, kinds }, (of) => this.#thread.call({ ...order, owner, of }));
  }

  async writeFiles(sandbox: SandboxSpec, addresses: readonly string[]): Promise<void> {
    await writeSandboxFiles(sandboxFolder(this.#runRoot, sandbox.id), sandbox, addresses);
  }

  areWhole(pins: NamespacePins): boolean {
    return (Object.entries(pins) as [keyof NamespacePins, string][]).every(([kind, path]) => isPinned(kind, path));
  }

  async networkUsages(pins: readonly string[]): Promise<ReadonlyMap<string, readonly InterfaceUsage[]>> {
    const found = new Map<string, readonly InterfaceUsage[]>();
    for (let from = 0; from < pins.length; from += LOOKS_AT_ONCE) {
      const some = pins.slice(from, from + LOOKS_AT_ONCE);
      const texts = await this.#thread.call({ op: 'read-network', pins: some });
      for (const [index, pin] of some.entries()) {
        const text = texts[index];
        if (text !== undefined) found.set(pin, parseNetworkDevices(text));
      }
    }
    return found;
  }

  async remove(sandboxId: string, pins: NamespacePins): Promise<void> {
    const folder = this.#folderOf(sandboxId);
    const inFolder = (await namesIn(folder)).map((name) => `${folder}/${name}`);
    const paths = new Set<string>([...(Object.values(pins) as string[]), ...inFolder]);
    for (const path of paths) await this.#thread.call({ op: 'unpin', path });
    await rm(folder, { recursive: true, force: true });
    await removeSandboxFiles(sandboxFolder(this.#runRoot, sandboxId));
  }

  async removeUnowned(sandboxId: string): Promise<void> {
    await this.remove(sandboxId, { net: this.#sharedPin(sandboxId) });
  }

  async find(): Promise<readonly string[]> {
    const pods = (await namesIn(this.#netnsFolder))
      .filter((name) => name.startsWith(PREFIX))
      .map((name) => name.slice(PREFIX.length))
      .filter((id) => ID.test(id)); // the folder is not ours alone
    const own = await namesIn(`${this.#runRoot}/ns`);
    const files = await namesIn(`${this.#runRoot}/sandboxes`);
    return [...new Set([...own, ...pods, ...files])];
  }

  /** Takes back that the folder of pods' networks is a mount point, when nobody has anything in it. */
  async releaseFolder(): Promise<void> {
    if ((await namesIn(this.#netnsFolder)).length === 0) {
      await this.#thread.call({ op: 'unmount', target: this.#netnsFolder });
    }
  }

  #folderOf(sandboxId: string): string {
    return `${this.#runRoot}/ns/${sandboxId}`;
  }

  #sharedPin(sandboxId: string): string {
    return `${this.#netnsFolder}/${PREFIX}${sandboxId}`;
  }
}

/** A namespace that is not the host's, or a tmpfs of its own and not the folder below it. All of it is in memory. */
function isPinned(kind: keyof NamespacePins, path: string): boolean {
  try {
    const { dev, ino } = statSync(path);
    const type = statfsSync(path).type;
    if (kind === 'shm') return type === TMPFS_MAGIC && dev !== statSync(dirname(path)).dev;
    return type === NSFS_MAGIC && ino !== statSync(`/proc/self/ns/${kind}`).ino;
  } catch (error) {
    if (isMissing(error)) return false;
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
