import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { isMissing, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { BUILT_IN_NAME } from './builtin/builtin.ts';
import type { Attachment } from './cni/chain.ts';
import type { JsonObject } from './cni/config.ts';
import { isObject, parseJson, parseList, writeList } from './cni/config.ts';

/** What is known of a sandbox's network, from before the first plugin was called for it until the last one has let go. */
export interface AttachmentRecord extends Attachment {
  readonly netns: string;
  /** Who forwards the host ports to it. */
  readonly portsServedBy: 'berth' | 'plugins';
  readonly isBuiltIn: boolean;
  /** Of the last plugin; undefined: the ADD has not been completed. */
  readonly result: JsonObject | undefined;
}

/** A record that cannot be read: what its name says. */
export interface BrokenRecord {
  readonly file: string;
  readonly isBuiltIn: boolean;
  readonly containerId: string;
  readonly ifName: string;
  readonly why: string;
}

const KIND = 'cniCacheV1';
const TEMPORARY = '.new-';
const NAME = /^.+-([0-9a-f]{64})-([^-]+)$/;

/**
 * Records of attachments, one file for each: `<network>-<sandbox>-<interface>`, in the form in which libcni caches
 * results, with a part of our own. Files are complete or not there; they are not synced, because what they record is
 * as little durable as they are.
 * @see containernetworking/cni libcni/api.go, cachedInfo
 */
export class AttachmentRecords {
  readonly #folder: string;
  readonly #log: Log;

  /** @param folder it is made, for root alone: arguments of plugins may be secret */
  constructor(folder: string, log: Log) {
    this.#folder = folder;
    this.#log = log;
  }

  /** Replaces an earlier one of the same sandbox. */
  async save(record: AttachmentRecord): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const name = nameOf(record);
    const temporary = `${this.#folder}/${TEMPORARY}${name}`;
    await writeFile(temporary, encode(record), { mode: 0o600 });
    await rename(temporary, `${this.#folder}/${name}`);
  }

  /**
   * Every record of a sandbox that nothing is being done for at the moment: none or one, unless somebody else has put
   * files there. What was never put in its place is of an ADD that was never begun, and is removed.
   */
  async find(sandboxId: string): Promise<(AttachmentRecord | BrokenRecord)[]> {
    const names = (await this.#names()).filter((name) => idOf(name) === sandboxId);
    const records = await this.#readAll(names);
    if (records.length < names.length) {
      for (const name of names) await rm(`${this.#folder}/${TEMPORARY}${name}`, { force: true });
    }
    return records;
  }

  async all(): Promise<(AttachmentRecord | BrokenRecord)[]> {
    return this.#readAll(await this.#names());
  }

  /** The ids of sandboxes that have a record. */
  async ids(): Promise<string[]> {
    return [...new Set((await this.#names()).map(idOf))];
  }

  async remove(record: AttachmentRecord | BrokenRecord): Promise<void> {
    const name = 'why' in record ? record.file : nameOf(record);
    await rm(`${this.#folder}/${name}`, { force: true });
    await rm(`${this.#folder}/${TEMPORARY}${name}`, { force: true });
  }

  async #names(): Promise<string[]> {
    try {
      const names = (await readdir(this.#folder)).map((name) => name.replace(TEMPORARY, ''));
      return [...new Set(names.filter((name) => NAME.test(name)))];
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }

  async #readAll(names: readonly string[]): Promise<(AttachmentRecord | BrokenRecord)[]> {
    const records: (AttachmentRecord | BrokenRecord)[] = [];
    for (const name of names) {
      const record = await this.#read(name);
      if (record !== undefined) records.push(record);
    }
    return records;
  }

  async #read(name: string): Promise<AttachmentRecord | BrokenRecord | undefined> {
    const broken = (why: string): BrokenRecord => {
      this.#log.warn('a record of a network cannot be read', { file: name, why });
      const isBuiltIn = name.startsWith(`${BUILT_IN_NAME}-`);
      return { file: name, isBuiltIn, containerId: idOf(name), ifName: name.slice(name.lastIndexOf('-') + 1), why };
    };
    try {
      const record = decode(parseJson(await readFile(`${this.#folder}/${name}`, 'utf8')));
      return nameOf(record) === name ? record : broken('it is of another attachment');
    } catch (error) {
      return isMissing(error) ? undefined : broken(messageOf(error));
    }
  }
}

function idOf(name: string): string {
  return NAME.exec(name)?.[1] ?? '';
}

function nameOf({ network, containerId, ifName }: Attachment): string {
  return `${network.name}-${containerId}-${ifName}`;
}

function encode(record: AttachmentRecord): string {
  const { network, containerId, ifName, netns, args, capabilityArgs, result, portsServedBy, isBuiltIn } = record;
  return JSON.stringify({
    kind: KIND,
    containerId,
    config: Buffer.from(writeList(network)).toString('base64'),
    ifName,
    networkName: network.name,
    netns,
    cniArgs: args,
    capabilityArgs,
    ...(result === undefined ? {} : { result }),
    berth: { portsServedBy, isBuiltIn },
  });
}

function decode(file: JsonObject): AttachmentRecord {
  const { kind, containerId, config, ifName, netns, cniArgs, capabilityArgs, result, berth } = file;
  const isWhole =
    kind === KIND &&
    typeof containerId === 'string' &&
    typeof config === 'string' &&
    typeof ifName === 'string' &&
    Array.isArray(cniArgs) &&
    isObject(capabilityArgs) &&
    isObject(berth);
  if (!isWhole) throw new Error(`it is no whole ${KIND}`);
  return {
    network: parseList(Buffer.from(config, 'base64').toString('utf8')),
    containerId,
    ifName,
    netns: typeof netns === 'string' ? netns : '',
    args: cniArgs as [string, string][],
    capabilityArgs,
    portsServedBy: berth['portsServedBy'] === 'plugins' ? 'plugins' : 'berth',
    isBuiltIn: berth['isBuiltIn'] === true,
    result: isObject(result) ? result : undefined,
  };
}
