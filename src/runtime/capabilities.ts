import { readFileSync } from 'node:fs';
import { BerthError } from '../base/errors.ts';
import type { SecurityRequest } from '../engine/container/spec.ts';

/** In the order of their bits. @see linux/capability.h */
const CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
] as const;

/** What a container gets that asks for nothing: Docker's and containerd's default. */
const DEFAULT_CAPABILITIES: readonly string[] = [
  'CAP_AUDIT_WRITE',
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_MKNOD',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_RAW',
  'CAP_SETFCAP',
  'CAP_SETGID',
  'CAP_SETPCAP',
  'CAP_SETUID',
  'CAP_SYS_CHROOT',
];

/** What this daemon may hand on: a runtime that is told to set more than that fails. */
export function boundingCapabilities(status = readFileSync('/proc/self/status', 'utf8')): readonly string[] {
  const mask = BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`);
  return CAPABILITIES.filter((_, bit) => (mask & (1n << BigInt(bit))) !== 0n);
}

/**
 * The capabilities of a container, never more than the daemon's own bounding set.
 * @throws BerthError InvalidArgument for a name that no kernel knows
 */
export function containerCapabilities(security: SecurityRequest, bounding: readonly string[]): readonly string[] {
  if (security.isPrivileged === true) return bounding;
  const add = (security.addCapabilities ?? []).map((name) => fullName(name, 'security.addCapabilities'));
  const drop = (security.dropCapabilities ?? []).map((name) => fullName(name, 'security.dropCapabilities'));
  const base = drop.includes('ALL') ? [] : DEFAULT_CAPABILITIES;
  const wanted = new Set<string>(add.includes('ALL') ? CAPABILITIES : [...base, ...add]);
  for (const name of drop) if (!add.includes(name)) wanted.delete(name);
  return CAPABILITIES.filter((name) => wanted.has(name) && bounding.includes(name));
}

function fullName(name: string, field: string): string {
  const upper = name.toUpperCase();
  if (upper === 'ALL') return upper;
  const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  if ((CAPABILITIES as readonly string[]).includes(full)) return full;
  throw new BerthError('InvalidArgument', `Cannot use capability "${name}": must be ALL or a name of capabilities(7)`, {
    field,
  });
}
