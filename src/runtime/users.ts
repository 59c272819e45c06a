import { BerthError } from '../base/errors.ts';
import type { ProcessUser, SupplementalGroups } from '../engine/container/spec.ts';

/** Reads a file of the container's root; undefined when it is not there. */
export type ReadFile = (path: string) => string | undefined;

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

const LARGEST_ID = 2 ** 32 - 2;

/**
 * Finds the user that a process runs as: `name`, `name:group`, `uid`, `uid:gid`, each by name or number; empty is root.
 * A number needs no entry. Additional groups are those that list the user, unless a group was asked for; who asks for
 * additional groups says in that whether these belong to them.
 * @throws BerthError InvalidArgument when a name has no entry, or a number is none that the kernel has
 */
export function resolveUser(wanted: string, read: ReadFile, supplemental?: SupplementalGroups): ProcessUser {
  const [userPart = '', groupPart = ''] = wanted === '' ? ['0'] : wanted.split(':');
  const passwd = parsePasswd(read('/etc/passwd') ?? '');
  const groups = parseGroup(read('/etc/group') ?? '');
  const entry = findUser(userPart, passwd);
  const uid = entry?.uid ?? idOf(userPart) ?? unknown('user', userPart, '/etc/passwd');
  const gid = groupPart === '' ? (entry?.gid ?? 0) : findGroup(groupPart, groups);
  const listing = groups.filter(({ members }) => entry !== undefined && members.includes(entry.name));
  const ofImage = (supplemental === undefined ? groupPart === '' : supplemental.isStrict !== true) ? listing : [];
  const asked = supplemental?.gids ?? [];
  for (const group of asked) checkId(group);
  const additional = new Set([...ofImage.map((group) => group.gid), ...asked]);
  additional.delete(gid);
  return { uid, gid, additionalGids: [...additional], home: entry?.home ?? (uid === 0 ? '/root' : '/') };
}

/** By name first: an image may call a user `1000`. */
function findUser(wanted: string, passwd: readonly PasswdEntry[]): PasswdEntry | undefined {
  return passwd.find(({ name }) => name === wanted) ?? passwd.find(({ uid }) => uid === idOf(wanted));
}

function findGroup(wanted: string, groups: readonly GroupEntry[]): number {
  return groups.find(({ name }) => name === wanted)?.gid ?? idOf(wanted) ?? unknown('group', wanted, '/etc/group');
}

function idOf(text: string): number | undefined {
  const id = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return id <= LARGEST_ID ? id : undefined;
}

function checkId(id: number): void {
  if (Number.isInteger(id) && id >= 0 && id <= LARGEST_ID) return;
  throw new BerthError('InvalidArgument', `Cannot use group ${id}: must be a whole number up to ${LARGEST_ID}`, {
    field: 'supplementalGroups',
  });
}

function unknown(kind: string, name: string, file: string): never {
  throw new BerthError('InvalidArgument', `Cannot use ${kind} "${name}": the image has none in ${file}`, {
    field: 'user',
  });
}

function parsePasswd(text: string): PasswdEntry[] {
  return lines(text).map(([name = '', , uid, gid, , home = '']) => ({
    name,
    uid: Number(uid),
    gid: Number(gid),
    home: home === '' ? '/' : home,
  }));
}

function parseGroup(text: string): GroupEntry[] {
  return lines(text).map(([name = '', , gid, members = '']) => ({
    name,
    gid: Number(gid),
    members: members.split(',').filter(Boolean),
  }));
}

function lines(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.includes(':') && !line.startsWith('#'))
    .map((line) => line.trim().split(':'));
}
