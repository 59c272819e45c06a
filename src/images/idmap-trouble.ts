import { messageOf } from '../base/errors.ts';
import { MS } from '../linux/abi.ts';
import { withUserNamespace } from '../linux/user-namespace.ts';
import { EMPTY_LAYER, PADDING_LAYER } from './layer-records.ts';
import { overlayOptions } from './overlay.ts';
import type { ImageParts } from './parts.ts';

/** Any other than the host's root will do. */
const SOMEBODY = [{ inside: 0, outside: 1, size: 1 }];
const TRY_AGAIN_AFTER_MS = 60_000;

/**
 * Why the root of a container cannot belong to the users of a namespace here; undefined: it can. The layers on the disk
 * belong to whom the image says, for all containers, so each such overlay is made of a view of them: Linux has that for
 * ext4, xfs and others since 5.12 to 5.15, and overlays take it since 5.19. It is tried once; where it does not work,
 * again when somebody asks a minute later, as the host may have been out of namespaces.
 */
export function idmapTrouble(
  parts: Pick<ImageParts, 'children' | 'temporary' | 'folders'>,
): () => Promise<string | undefined> {
  let tried: Promise<string | undefined> | undefined;
  let triedAt = 0;
  return async () => {
    const hadTrouble = tried !== undefined && (await tried) !== undefined;
    if (tried === undefined || (hadTrouble && performance.now() - triedAt > TRY_AGAIN_AFTER_MS)) {
      triedAt = performance.now();
      tried = tryIdmap(parts);
    }
    return tried;
  };
}

async function tryIdmap({
  children,
  temporary,
  folders,
}: Pick<ImageParts, 'children' | 'temporary' | 'folders'>): Promise<string | undefined> {
  const overlay = { options: overlayOptions({ lower: [EMPTY_LAYER, PADDING_LAYER] }), flags: MS.RDONLY };
  const order = { mappings: { uids: SOMEBODY, gids: SOMEBODY }, kinds: [] };
  try {
    await withUserNamespace(children, order, (pid) => {
      const userNamespace = `/proc/${pid}/ns/user`;
      return temporary.with({ ...overlay, folder: folders.layers, userNamespace }, () => Promise.resolve());
    });
    return undefined;
  } catch (error) {
    return `the files of images cannot be shown to other users: ${messageOf(error)}`;
  }
}
