import { BerthError, messageOf } from '../../base/errors.ts';
import type { CniVersion } from './versions.ts';
import { DEFAULT_VERSION, newestOf, versionRange } from './versions.ts';

/** One plugin of a network, and all that its configuration says. */
export interface PluginConfig {
  readonly type: string;
  /** The names of those that it says it has. */
  readonly capabilities: ReadonlySet<string>;
  /** As it was written, keys that nobody here knows included. */
  readonly config: JsonObject;
}

/** A network as a configuration file describes it: plugins that are called one after the other. */
export interface NetworkList {
  readonly name: string;
  readonly cniVersion: CniVersion;
  readonly plugins: readonly PluginConfig[];
  readonly isCheckDisabled: boolean;
  readonly isGcDisabled: boolean;
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** @see containernetworking/cni pkg/utils/utils.go, ValidateNetworkName */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/**
 * Reads a network from a list of plugins, as `.conflist` files have it.
 * @param extraPlugins those of a folder beside the list's file; left out when the list wants only its own
 * @throws BerthError InvalidArgument that says what is wrong, without naming the file
 * @see containernetworking/cni libcni/conf.go
 */
export function parseList(text: string, extraPlugins: readonly JsonObject[] = []): NetworkList {
  const config = parseJson(text);
  const extra = readFlag(config, 'loadOnlyInlinedPlugins') ? [] : extraPlugins;
  return networkOf(config, [...pluginsOf(config), ...extra]);
}

/**
 * Reads a network of one plugin, as `.conf` and `.json` files have it.
 * @throws BerthError InvalidArgument that says what is wrong, without naming the file
 */
export function parseSingle(text: string): NetworkList {
  const config = parseJson(text);
  if ('plugins' in config) throw wrong('it is a list of plugins: its name must end in ".conflist"');
  return networkOf(config, [config]);
}

function networkOf(config: JsonObject, pluginConfigs: readonly JsonObject[]): NetworkList {
  const plugins = pluginConfigs.map(parsePlugin);
  if (plugins.length === 0) throw wrong('"plugins" is empty: there must be one at least');
  return {
    name: parseName(config['name']),
    cniVersion: parseVersion(config['cniVersion'], config['cniVersions']),
    plugins,
    isCheckDisabled: readFlag(config, 'disableCheck'),
    isGcDisabled: readFlag(config, 'disableGC'),
  };
}

/** The network in the form that `parseList` reads, complete in itself. */
export function writeList({ name, cniVersion, plugins, isCheckDisabled, isGcDisabled }: NetworkList): string {
  return JSON.stringify({
    cniVersion,
    name,
    ...(isCheckDisabled ? { disableCheck: true } : {}),
    ...(isGcDisabled ? { disableGC: true } : {}),
    loadOnlyInlinedPlugins: true,
    plugins: plugins.map(({ config }) => config),
  });
}

/** @throws BerthError InvalidArgument */
export function parseJson(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new BerthError('InvalidArgument', `it is not JSON: ${messageOf(error)}`, { cause: error });
  }
  if (!isObject(value)) throw wrong('it is not a JSON object');
  return value;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isNetworkName(name: string): boolean {
  return NAME.test(name);
}

function pluginsOf({ plugins }: JsonObject): JsonObject[] {
  if (plugins === undefined) return [];
  if (!Array.isArray(plugins)) throw wrong('"plugins" must be an array');
  return plugins.map((plugin: unknown, index) => {
    if (!isObject(plugin)) throw wrong(`"plugins[${index}]" must be an object`);
    return plugin;
  });
}

/** A type is the name of a program: with a separator in it, it would be that of another folder's. */
function parsePlugin(config: JsonObject, index: number): PluginConfig {
  const { type, capabilities } = config;
  if (typeof type !== 'string' || type === '') throw wrong(`"plugins[${index}].type" is missing`);
  if (type.includes('/') || type === '.' || type === '..') {
    throw wrong(`"plugins[${index}].type" is "${type}": must be the name of a program, without a folder`);
  }
  const declared = isObject(capabilities) ? Object.entries(capabilities) : [];
  return { type, config, capabilities: new Set(declared.flatMap(([name, has]) => (has === true ? [name] : []))) };
}

function parseName(name: unknown): string {
  if (typeof name !== 'string' || name === '') throw wrong('"name" is missing');
  if (!isNetworkName(name))
    throw wrong(`"name" is "${name}": must begin with a letter or digit, and have only these, "_", "." and "-"`);
  return name;
}

function parseVersion(version: unknown, versions: unknown): CniVersion {
  const offered = [version, ...(Array.isArray(versions) ? (versions as unknown[]) : [])].filter(
    (each) => each !== undefined && each !== '',
  );
  if (offered.length === 0) return DEFAULT_VERSION;
  const texts = offered.map(String);
  const newest = newestOf(texts);
  if (newest === undefined) throw wrong(`"cniVersion" is ${texts.join(', ')}: berth speaks ${versionRange}`);
  return newest;
}

/** Some flags are written as strings. */
function readFlag(config: JsonObject, key: string): boolean {
  const value = config[key];
  if (value === undefined || value === false || value === 'false') return false;
  if (value === true || value === 'true') return true;
  throw wrong(`"${key}" is ${JSON.stringify(value)}: must be true or false`);
}

function wrong(message: string): BerthError {
  return new BerthError('InvalidArgument', message);
}
