import type { Image as EngineImage, ImageStorage } from '../../../engine/ports.ts';
import type { FilesystemUsage, Image, Int64Value } from '../../../gen/cri/api.ts';
import { nanoseconds } from './time.ts';

export function image({ id, names, digests, sizeBytes, isPinned, config }: EngineImage): Image {
  return {
    id,
    repoTags: [...names],
    repoDigests: [...digests],
    size: BigInt(sizeBytes),
    ...userOf(config.user),
    spec: undefined,
    pinned: isPinned,
  };
}

/** A number is a uid, anything else a name; a group behind it is not told. */
function userOf(user: string): { readonly uid: Int64Value | undefined; readonly username: string } {
  const [name = ''] = user.split(':');
  return /^\d+$/.test(name) ? { uid: { value: BigInt(name) }, username: '' } : { uid: undefined, username: name };
}

/** What `crictl inspecti` shows beside the status, in the words of an image's own config. @see OCI image-spec config.md */
export function imageInfo(found: EngineImage): Record<string, string> {
  const { config, createdAt, architecture, layers } = found;
  const imageSpec = {
    created: createdAt === undefined ? undefined : new Date(createdAt).toISOString(),
    architecture,
    os: 'linux',
    config: {
      User: config.user,
      Env: config.env,
      Entrypoint: config.entrypoint,
      Cmd: config.command,
      WorkingDir: config.cwd,
      Labels: config.labels,
      StopSignal: config.stopSignal,
    },
  };
  return { info: JSON.stringify({ imageSpec, layers }) };
}

/** @param at Unix ms */
export function imageFilesystem({ path, usedBytes, usedInodes }: ImageStorage, at: number): FilesystemUsage {
  return {
    timestamp: nanoseconds(at),
    fsId: { mountpoint: path },
    usedBytes: { value: BigInt(usedBytes) },
    inodesUsed: { value: BigInt(usedInodes) },
  };
}
