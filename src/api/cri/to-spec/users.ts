import { isDeepStrictEqual } from 'node:util';
import type { IdMapping, IdMappings } from '../../../base/id-mappings.ts';
import type { SandboxRow } from '../../../engine/sandbox/state.ts';
import { NamespaceMode } from '../../../gen/cri/api.ts';
import type { IDMapping, NamespaceOption } from '../../../gen/cri/api.ts';
import { invalid } from '../errors.ts';

const FIELD = 'namespace_options.userns_options';

/**
 * The users that a pod has of its own; undefined: the host's. One range of each is all that a kubelet sends.
 * @throws BerthError InvalidArgument naming the field
 */
export function podUsers(options: NamespaceOption | undefined, field: string): IdMappings | undefined {
  const verb = 'create sandbox';
  const asked = options?.usernsOptions;
  if (asked === undefined) return undefined;
  const { mode, uids, gids } = asked;
  if (mode === NamespaceMode.NODE) {
    if (uids.length + gids.length === 0) return undefined;
    throw invalid(verb, `${field}.${FIELD}`, "has mappings for the host's user namespace");
  }
  if (mode !== NamespaceMode.POD) {
    throw invalid(verb, `${field}.${FIELD}.mode`, `is ${modeName(mode)}, must be POD or NODE`);
  }
  for (const kind of ['pid', 'ipc'] as const) {
    if (options?.[kind] !== NamespaceMode.NODE) continue;
    throw invalid(verb, `${field}.namespace_options.${kind}`, 'is NODE, but the pod has users of its own');
  }
  return { uids: oneRange(uids, `${field}.${FIELD}.uids`), gids: oneRange(gids, `${field}.${FIELD}.gids`) };
}

function oneRange(ranges: readonly IDMapping[], field: string): readonly IdMapping[] {
  if (ranges.length === 1) return ranges.map(idMapping);
  throw invalid('create sandbox', field, `has ${ranges.length} mappings, must have one`);
}

function idMapping({ hostId, containerId, length }: IDMapping): IdMapping {
  return { inside: containerId, outside: hostId, size: length };
}

/**
 * A container has its pod's users. Its own options are a kubelet's word for the same.
 * @throws BerthError InvalidArgument when they are not the same
 */
export function checkContainerUsers(options: NamespaceOption | undefined, { spec: { users } }: SandboxRow): void {
  const asked = options?.usernsOptions;
  if (asked === undefined) return;
  const wanted = { uids: asked.uids.map(idMapping), gids: asked.gids.map(idMapping) };
  const isSame =
    asked.mode === NamespaceMode.POD
      ? users !== undefined && isDeepStrictEqual(wanted, users)
      : asked.mode === NamespaceMode.NODE && users === undefined;
  if (isSame) return;
  throw invalid('create container', `config.linux.security_context.${FIELD}`, 'is other than that of its sandbox');
}

/** Whose the files of a mount are; undefined: the host's users'. @throws BerthError InvalidArgument */
export function mountUsers(
  {
    uidMappings,
    gidMappings,
  }: { readonly uidMappings: readonly IDMapping[]; readonly gidMappings: readonly IDMapping[] },
  field: string,
): IdMappings | undefined {
  if (uidMappings.length + gidMappings.length === 0) return undefined;
  if (uidMappings.length > 0 && gidMappings.length > 0) {
    return { uids: uidMappings.map(idMapping), gids: gidMappings.map(idMapping) };
  }
  throw invalid('create container', field, 'has mappings of users or of groups, must have both or none');
}

export function modeName(mode: NamespaceMode): string {
  return Object.entries(NamespaceMode).find(([, value]) => value === mode)?.[0] ?? String(mode);
}
