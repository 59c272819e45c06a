import { chown, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { BerthError, isMissing } from '../base/errors.ts';
import { rootOf } from '../base/id-mappings.ts';
import type { DnsConfig, SandboxSpec } from '../engine/sandbox/state.ts';

/** The names below /etc of what a sandbox gives its containers. */
export const SANDBOX_FILES = ['hostname', 'hosts', 'resolv.conf'] as const;

/** Where a sandbox has its files: `/run/berth/sandboxes/<id>`. */
export function sandboxFolder(runRoot: string, sandboxId: string): string {
  return `${runRoot}/sandboxes/${sandboxId}`;
}

/**
 * Writes a sandbox's files. What is as it should be is left alone: containers have these very files mounted, and would
 * go on with the old ones.
 * @throws BerthError InvalidArgument for a DNS setting that is more than one word
 */
export async function writeSandboxFiles(
  folder: string,
  sandbox: SandboxSpec,
  addresses: readonly string[],
): Promise<void> {
  const owner = sandbox.users === undefined ? undefined : rootOf(sandbox.users);
  const files = {
    hostname: `${sandbox.hostname}\n`,
    hosts: sandbox.network === 'host' ? await readHost('/etc/hosts') : hostsOf(sandbox.hostname, addresses),
    'resolv.conf': resolvConf(sandbox.dns) ?? (await readHost('/etc/resolv.conf')),
  } satisfies Record<(typeof SANDBOX_FILES)[number], string>;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await Promise.all(
    Object.entries(files).map(async ([name, text]) => {
      await writeIfOther(`${folder}/${name}`, text);
      if (owner !== undefined) await chown(`${folder}/${name}`, owner.uid, owner.gid);
    }),
  );
}

export async function removeSandboxFiles(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}

const LOCAL_NAMES = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

/** A sandbox without addresses knows its own name all the same, as on a host without a network. */
function hostsOf(hostname: string, addresses: readonly string[]): string {
  const own = addresses.length === 0 ? ['127.0.1.1'] : addresses;
  return LOCAL_NAMES + own.map((address) => `${address}\t${hostname}\n`).join('');
}

/** Undefined when nothing is set. @see resolv.conf(5) */
function resolvConf(dns: DnsConfig | undefined): string | undefined {
  const { servers = [], searches = [], options = [] } = dns ?? {};
  for (const word of [...servers, ...searches, ...options]) {
    if (/^\S+$/.test(word)) continue;
    throw new BerthError('InvalidArgument', `Cannot use DNS setting "${word}": must be one word`, { field: 'dns' });
  }
  const lines = [
    ...(searches.length === 0 ? [] : [`search ${searches.join(' ')}`]),
    ...servers.map((server) => `nameserver ${server}`),
    ...(options.length === 0 ? [] : [`options ${options.join(' ')}`]),
  ];
  return lines.length === 0 ? undefined : `${lines.join('\n')}\n`;
}

async function readHost(path: string): Promise<string> {
  return (await readIfThere(path)) ?? '';
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Containers may write to them, as much as they like: one of another size is not read. */
async function writeIfOther(path: string, text: string): Promise<void> {
  if ((await sizeOf(path)) === Buffer.byteLength(text) && (await readIfThere(path)) === text) return;
  await writeFile(`${path}.new`, text, { mode: 0o644 });
  await rename(`${path}.new`, path);
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
