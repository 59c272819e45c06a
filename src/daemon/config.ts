import { readFileSync } from 'node:fs';
import { parse } from 'smol-toml';
import * as v from 'valibot';
import type { Schema } from '../base/decode.ts';
import { decode } from '../base/decode.ts';
import { BerthError, isMissing, messageOf } from '../base/errors.ts';
import { parseCidr } from '../base/ip.ts';
import { parseDuration, parseSize } from '../base/units.ts';

/** The configuration with every default filled in; times in ms, sizes in bytes. packaging/config.toml explains each. */
export interface Config {
  readonly paths: { readonly state: string; readonly run: string };
  readonly api: { readonly socket: string; readonly group: string };
  readonly cri: { readonly enabled: boolean; readonly socket: string };
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error' };
  readonly runtime: {
    readonly default: string;
    readonly handlers: Readonly<Record<string, { readonly path: string }>>;
  };
  readonly monitor: { readonly path: string; readonly lost: 'stop' | 'keep' };
  readonly cgroup: { readonly parent: string };
  readonly network: {
    readonly netns_dir: string;
    readonly conf_dir: string;
    readonly plugin_dirs: readonly string[];
    readonly plugin_timeout: number;
    readonly builtin: boolean;
    readonly subnet: string;
    readonly subnet6: string;
  };
  readonly sandbox: { readonly init: string };
  readonly start: { readonly deadline: number };
  readonly stop: {
    readonly grace: number;
    readonly kill_budget: number;
    readonly ignored_signal: 'wait' | 'escalate';
  };
  readonly events: { readonly keep: number; readonly keep_for: number };
  readonly images: {
    readonly largest_unpacked: number;
    readonly most_entries: number;
    readonly pinned: readonly string[];
  };
  readonly pull: {
    readonly config_path: readonly string[];
    readonly layers: number;
    readonly layers_total: number;
    readonly stall: number;
    readonly attempts: number;
    readonly longest_wait: number;
  };
  /** By host, or host and port. */
  readonly registries: Readonly<Record<string, RegistryConfig>>;
}

interface RegistryConfig {
  readonly mirrors: readonly string[];
  readonly mirrors_only: boolean;
  readonly plain_http?: boolean | undefined;
  readonly skip_verify: boolean;
  readonly ca: readonly string[];
  readonly client_cert?: string | undefined;
  readonly client_key?: string | undefined;
}

const USUAL_RUN = '/run/berth';

const path = v.pipe(
  v.string(),
  v.check((text) => text.startsWith('/'), 'an absolute path'),
);
const count = v.pipe(v.number(), v.integer(), v.minValue(1));
const duration = v.pipe(
  v.string(),
  v.check(reads(parseDuration), 'a duration like "10s"'),
  v.transform((text) => parseDuration(text, '')),
);
const size = v.pipe(
  v.string(),
  v.check(reads(parseSize), 'a size like "64G"'),
  v.transform((text) => parseSize(text, '')),
);

/** As containerd has it: several folders may stand in one text, with `:` between them. */
const folders = v.pipe(
  v.string(),
  v.transform((text) => text.split(':').filter((each) => each !== '')),
  v.check((all) => all.every((each) => each.startsWith('/')), 'absolute paths with ":" between them'),
);

const registry = v.strictObject({
  mirrors: v.optional(v.array(v.string()), []),
  mirrors_only: v.optional(v.boolean(), false),
  plain_http: v.optional(v.boolean()),
  skip_verify: v.optional(v.boolean(), false),
  ca: v.optional(v.array(path), []),
  client_cert: v.optional(path),
  client_key: v.optional(path),
});

/** A network that has room for a gateway and a sandbox. */
function subnet(family: 4 | 6, widestPrefix: number, example: string) {
  return v.pipe(
    v.string(),
    v.check((text) => {
      const parsed = parseCidr(text);
      return parsed?.family === family && parsed.prefix <= widestPrefix;
    }, `an IPv${family} network like "${example}"`),
  );
}

const schema = v.strictObject({
  paths: v.optional(
    v.strictObject({ state: v.optional(path, '/var/lib/berth'), run: v.optional(path, USUAL_RUN) }),
    {},
  ),
  api: v.optional(v.strictObject({ socket: v.optional(path), group: v.optional(v.string(), 'berth') }), {}),
  cri: v.optional(v.strictObject({ enabled: v.optional(v.boolean(), true), socket: v.optional(path) }), {}),
  log: v.optional(v.strictObject({ level: v.optional(v.picklist(['debug', 'info', 'warn', 'error']), 'info') }), {}),
  runtime: v.optional(
    v.strictObject({
      default: v.optional(v.string(), 'crun'),
      handlers: v.optional(v.record(v.string(), v.strictObject({ path: v.string() })), { crun: { path: 'crun' } }),
    }),
    {},
  ),
  monitor: v.optional(
    v.strictObject({
      path: v.optional(v.string(), 'conmon'),
      lost: v.optional(v.picklist(['stop', 'keep']), 'stop'),
    }),
    {},
  ),
  cgroup: v.optional(v.strictObject({ parent: v.optional(path, '/berth') }), {}),
  network: v.optional(
    v.strictObject({
      netns_dir: v.optional(path),
      conf_dir: v.optional(path, '/etc/cni/net.d'),
      plugin_dirs: v.optional(v.array(path), ['/opt/cni/bin', '/usr/lib/cni']),
      plugin_timeout: v.optional(duration, '60s'),
      builtin: v.optional(v.boolean(), false),
      subnet: v.optional(subnet(4, 30, '10.83.0.0/16'), '10.83.0.0/16'),
      subnet6: v.optional(subnet(6, 126, 'fd62:6572:7468::/64'), 'fd62:6572:7468::/64'),
    }),
    {},
  ),
  sandbox: v.optional(v.strictObject({ init: v.optional(v.string(), 'catatonit') }), {}),
  start: v.optional(v.strictObject({ deadline: v.optional(duration, '60s') }), {}),
  stop: v.optional(
    v.strictObject({
      grace: v.optional(duration, '10s'),
      kill_budget: v.optional(duration, '10s'),
      ignored_signal: v.optional(v.picklist(['wait', 'escalate']), 'wait'),
    }),
    {},
  ),
  events: v.optional(v.strictObject({ keep: v.optional(count, 100_000), keep_for: v.optional(duration, '7d') }), {}),
  images: v.optional(
    v.strictObject({
      largest_unpacked: v.optional(size, '64G'),
      most_entries: v.optional(count, 2_000_000),
      pinned: v.optional(v.array(v.string()), []),
    }),
    {},
  ),
  pull: v.optional(
    v.strictObject({
      config_path: v.optional(folders, '/etc/berth/certs.d'),
      layers: v.optional(count, 3),
      layers_total: v.optional(count, 8),
      stall: v.optional(duration, '60s'),
      attempts: v.optional(count, 5),
      longest_wait: v.optional(duration, '60s'),
    }),
    {},
  ),
  registries: v.optional(v.record(v.string(), registry), {}),
});

function reads(read: (text: string, field: string) => number): (text: string) => boolean {
  return (text) => {
    try {
      read(text, '');
      return true;
    } catch {
      return false; // the schema's own words say what is wanted
    }
  };
}

/**
 * Reads a configuration.
 * @param text TOML; empty for the defaults
 * @throws BerthError InvalidArgument naming the key, what was found and what is wanted, with the file's name
 */
export function parseConfig(text: string, file = 'configuration'): Config {
  let table: unknown;
  try {
    table = parse(text);
  } catch (error) {
    throw new BerthError('InvalidArgument', `Cannot read ${file}: ${messageOf(error)}`, { cause: error });
  }
  const config = decode(schema as Schema<v.InferOutput<typeof schema>>, table, file);
  const { default: handler, handlers } = config.runtime;
  if (!(handler in handlers)) {
    const known = Object.keys(handlers).join(', ');
    const message = `Cannot read ${file}: "runtime.default" is "${handler}": must be one of ${known}`;
    throw new BerthError('InvalidArgument', message, { field: 'runtime.default' });
  }
  const { api, cri, network, paths } = config;
  return {
    ...config,
    api: { ...api, socket: api.socket ?? `${paths.run}/berth.sock` },
    cri: { ...cri, socket: cri.socket ?? `${paths.run}/cri.sock` },
    network: {
      ...network,
      netns_dir: network.netns_dir ?? (paths.run === USUAL_RUN ? '/run/netns' : `${paths.run}/netns`),
    },
  };
}

/**
 * The configuration of a file. The usual place may be empty; a file that was asked for must be there.
 * @throws BerthError NotFound; InvalidArgument
 */
export function readConfig(file: string | undefined): Config {
  const wanted = file ?? USUAL_FILE;
  try {
    return parseConfig(readFileSync(wanted, 'utf8'), wanted);
  } catch (error) {
    if (!isMissing(error)) throw error;
    if (file === undefined) return parseConfig('');
    throw new BerthError('NotFound', `Cannot read ${file}: there is no such file`, { cause: error });
  }
}

const USUAL_FILE = '/etc/berth/config.toml';
