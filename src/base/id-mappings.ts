/** `size` ids of a user namespace, from `inside` on, are the ids from `outside` on to the host. */
export interface IdMapping {
  readonly inside: number;
  readonly outside: number;
  readonly size: number;
}

/** The users and groups of a user namespace. @see user_namespaces(7) */
export interface IdMappings {
  readonly uids: readonly IdMapping[];
  readonly gids: readonly IdMapping[];
}

/** What an id of the namespace is to the host; undefined: nobody there has it. */
export function outsideOf(mappings: readonly IdMapping[], id: number): number | undefined {
  const mapping = mappings.find(({ inside, size }) => id >= inside && id < inside + size);
  return mapping === undefined ? undefined : mapping.outside + id - mapping.inside;
}

/** Who root of the namespace is to the host; nobody there when root has no number. */
export function rootOf({ uids, gids }: IdMappings): { readonly uid: number; readonly gid: number } {
  return { uid: outsideOf(uids, 0) ?? NOBODY, gid: outsideOf(gids, 0) ?? NOBODY };
}

/** @see /proc/sys/kernel/overflowuid */
const NOBODY = 65_534;

/** As the kernel's files `uid_map` and `gid_map` take them. */
export function mappingLines(mappings: readonly IdMapping[]): string {
  return mappings.map(({ inside, outside, size }) => `${inside} ${outside} ${size}\n`).join('');
}
