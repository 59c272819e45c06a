import { readFile, readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parse } from 'smol-toml';
import * as v from 'valibot';
import { decode } from '../../base/decode.ts';
import type { Schema } from '../../base/decode.ts';
import { BerthError, errnoOf, isMissing, messageOf } from '../../base/errors.ts';
import { parseDuration } from '../../base/units.ts';
import { CONNECT_MS, NO_TLS_FILES, registryItself, serverAddress } from './endpoint.ts';
import type { Endpoint, TlsFiles } from './endpoint.ts';

const Text = v.string();
const ServerFields = {
  capabilities: v.optional(v.array(Text), []),
  ca: v.optional(v.union([Text, v.array(Text)]), []),
  client: v.optional(v.union([Text, v.array(v.union([Text, v.tuple([Text, Text])]))]), []),
  skip_verify: v.optional(v.boolean(), false),
  header: v.optional(v.record(Text, v.union([Text, v.array(Text)])), {}),
  override_path: v.optional(v.boolean(), false),
  dial_timeout: v.optional(Text),
  proxy: v.optional(Text),
};
const ServerSchema = v.object(ServerFields);
const FileSchema = v.object({
  ...ServerFields,
  server: v.optional(Text),
  host: v.optional(v.record(Text, ServerSchema), {}),
});
type Server = v.InferOutput<typeof ServerSchema>;

/**
 * What a folder in containerd's layout says of a registry: its `hosts.toml`, or certificates only, as Docker has them.
 * Keys that containerd does not know either are passed over, as it does.
 * @returns undefined when there is no folder for the registry
 * @throws BerthError InvalidArgument when the file is no such file: asking somebody else instead would be worse
 * @see containerd docs/hosts.md
 */
export async function readHostsFolder(configPath: string, registry: string): Promise<Endpoint[] | undefined> {
  for (const name of folderNames(registry)) {
    const folder = `${configPath}/${name}`;
    const names = await namesIn(folder);
    if (names === undefined) continue;
    if (!names.includes('hosts.toml')) return [{ ...registryItself(registry), tls: certificatesIn(folder, names) }];
    return readHostsFile(folder, registry);
  }
  return undefined;
}

function folderNames(registry: string): string[] {
  const port = /^(.+):(\d+)$/.exec(registry);
  return [...(port === null ? [] : [`${port[1]}_${port[2]}_`]), registry, '_default'];
}

async function namesIn(folder: string): Promise<string[] | undefined> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error) || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** @see docs.docker.com/engine/security/certificates */
function certificatesIn(folder: string, names: readonly string[]): TlsFiles {
  const path = (name: string): string => `${folder}/${name}`;
  const certs = names.filter((name) => name.endsWith('.cert')).toSorted();
  return {
    ca: names.filter((name) => name.endsWith('.crt')).map(path),
    clients: certs.map((name) => ({ cert: path(name), key: path(name.replace(/cert$/, 'key')) })),
    skipVerify: false,
  };
}

async function readHostsFile(folder: string, registry: string): Promise<Endpoint[]> {
  const path = `${folder}/hosts.toml`;
  try {
    const { host, server, ...own } = decode(
      FileSchema as Schema<v.InferOutput<typeof FileSchema>>,
      await readToml(path),
      path,
    );
    const mirrors = Object.entries(host).map(([address, each]) => endpointOf(address, each, registry, folder));
    const itself = registryItself(registry);
    const last =
      server === undefined ? { ...itself, ...optionsOf(own, folder) } : endpointOf(server, own, registry, folder);
    return [...mirrors, { ...last, isRegistry: true }];
  } catch (error) {
    if (!(error instanceof BerthError) || error.message.includes(path)) throw error;
    throw new BerthError('InvalidArgument', `Cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}

async function readToml(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8');
  try {
    return parse(text);
  } catch (error) {
    throw new BerthError('InvalidArgument', `Cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}

function endpointOf(address: string, server: Server, registry: string, folder: string): Endpoint {
  const { base, namespace } = serverAddress(address, registry, { isPathWhole: server.override_path });
  return { base, namespace, isRegistry: namespace === undefined, ...optionsOf(server, folder) };
}

function optionsOf(server: Server, folder: string): Omit<Endpoint, 'base' | 'isRegistry' | 'namespace'> {
  const { capabilities, dial_timeout: timeout } = server;
  const can = (what: string): boolean =>
    capabilities.length === 0 || capabilities.some((each) => each.toLowerCase() === what);
  return {
    canResolve: can('resolve'),
    canPull: can('pull'),
    headers: server.header,
    tls: tlsOf(server, folder),
    connectMs: timeout === undefined ? CONNECT_MS : parseDuration(timeout, 'dial_timeout'),
    proxy: server.proxy,
  };
}

function tlsOf({ ca, client, skip_verify: skipVerify }: Server, folder: string): TlsFiles {
  const path = (name: string): string => resolve(folder, name);
  const clients = [client].flat().map((each) => (typeof each === 'string' ? [each, ''] : each));
  return {
    ...NO_TLS_FILES,
    ca: [ca].flat().map(path),
    clients: clients.map(([cert = '', key = '']) => ({ cert: path(cert), key: path(key === '' ? cert : key) })),
    skipVerify,
  };
}
