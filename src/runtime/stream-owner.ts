import { chown, stat } from 'node:fs/promises';
import type { IdMappings } from '../base/id-mappings.ts';
import { outsideOf } from '../base/id-mappings.ts';
import type { ProcessUser } from '../engine/container/spec.ts';

/** By the host's numbers. */
export interface StreamOwner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Whom the standard streams of a process have to belong to, so that it can open `/dev/stdout`. Undefined: the runtime sees
 * to it. In a user namespace that was there before it cannot.
 * @see crun src/libcrun/container.c, maybe_chown_std_streams
 */
export function streamOwner(users: IdMappings | undefined, { uid, gid }: ProcessUser): StreamOwner | undefined {
  if (users === undefined) return undefined;
  const owner = { uid: outsideOf(users.uids, uid), gid: outsideOf(users.gids, gid) };
  return owner.uid === undefined || owner.gid === undefined ? undefined : { uid: owner.uid, gid: owner.gid };
}

/** Gives a process its pipes. Anything else that it has for a stream is the host's, or its own already. */
export async function giveStreams(pid: number, { uid, gid }: StreamOwner): Promise<void> {
  for (const fd of [0, 1, 2]) {
    const path = `/proc/${pid}/fd/${fd}`;
    if ((await stat(path)).isFIFO()) await chown(path, uid, gid);
  }
}
