import { BerthError } from '../base/errors.ts';
import type { IdMappings } from '../base/id-mappings.ts';
import { outsideOf } from '../base/id-mappings.ts';
import type { MountRequest, ProcessUser, Rlimit } from '../engine/container/spec.ts';
import type { Resolved, ResolveRequest } from '../engine/ports.ts';
import type { Outside, OutsidePath } from '../linux/outside.ts';
import { readInRoot } from '../linux/rooted.ts';
import { containerCapabilities } from './capabilities.ts';
import { RLIMIT_NAMES } from './host.ts';
import { checkResources } from './oci-resources.ts';
import type { HostAbilities } from './oci-spec.ts';
import { readSeccompFile } from './seccomp-file.ts';
import { resolveUser } from './users.ts';

/**
 * Finds what a request names on the host and in the image. Everything that can never work is refused here.
 * @throws BerthError InvalidArgument naming the field; DeadlineExceeded for a mount source that does not answer
 */
export async function resolveRequest(
  parts: { readonly outside: Outside; readonly host: HostAbilities },
  request: ResolveRequest,
): Promise<Resolved> {
  const { security, signal } = request;
  const { outside, host } = parts;
  const capabilities = containerCapabilities(security, host.bounding);
  checkResources(request.resources ?? {}, host.cgroupMode);
  for (const [index, rlimit] of request.rlimits.entries()) checkRlimit(rlimit, `rlimits[${index}]`);
  const read = (path: string): string | undefined => readInRoot(request.rootfs, path);
  const user = resolveUser(request.userName, read, request.supplementalGroups);
  if (request.users !== undefined) checkMapped(user, request.users);
  if (typeof security.seccomp === 'object' && security.isPrivileged !== true) {
    await readSeccompFile(outside, security.seccomp.file, { capabilities, architecture: host.architecture }, signal);
  }
  const mounts = await Promise.all(
    request.mounts.map((mount, index) => resolveMount(outside, mount, `mounts[${index}].source`, signal)),
  );
  return { user, mounts };
}

/** Whoever is nobody in the namespace cannot be set as the user of a process. */
function checkMapped({ uid, gid, additionalGids }: ProcessUser, { uids, gids }: IdMappings): void {
  if (outsideOf(uids, uid) === undefined) throw unmapped('user', uid, 'user');
  const group = [gid, ...additionalGids].find((id) => outsideOf(gids, id) === undefined);
  if (group !== undefined) throw unmapped('group', group, 'supplementalGroups');
}

function unmapped(kind: string, id: number, field: string): BerthError {
  return new BerthError(
    'InvalidArgument',
    `Cannot run as ${kind} ${id}: its sandbox has users of its own, and not it`,
    {
      field,
    },
  );
}

/** With its links resolved now: what is mounted later is what was looked at. */
async function resolveMount(
  outside: Outside,
  mount: MountRequest,
  field: string,
  signal: AbortSignal | undefined,
): Promise<MountRequest> {
  if (mount.kind !== 'bind') return mount;
  const { source } = mount;
  const found = (await outside.look(source, signal)) ?? (mount.makesSource === true ? await make() : undefined);
  if (found !== undefined) return { ...mount, source: found.path };
  throw new BerthError('InvalidArgument', `Cannot mount "${source}": there is nothing at this path`, { field });

  async function make(): Promise<OutsidePath | undefined> {
    await outside.makeFolder(source, signal);
    return outside.look(source, signal);
  }
}

function checkRlimit({ name, soft, hard }: Rlimit, field: string): void {
  if (!RLIMIT_NAMES.includes(name)) {
    throw new BerthError('InvalidArgument', `Cannot set limit "${name}": must be one of ${RLIMIT_NAMES.join(', ')}`, {
      field,
    });
  }
  if (soft > hard) {
    throw new BerthError('InvalidArgument', `Cannot set limit "${name}": soft ${soft} is above hard ${hard}`, {
      field,
    });
  }
}
