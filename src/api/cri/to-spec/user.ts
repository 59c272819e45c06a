import type { SupplementalGroups } from '../../../engine/container/spec.ts';
import { SupplementalGroupsPolicy } from '../../../gen/cri/api.ts';
import type { LinuxContainerSecurityContext } from '../../../gen/cri/api.ts';
import { invalid } from '../errors.ts';
import { given } from '../given.ts';

const VERB = 'create container';
const FIELD = 'config.linux.security_context';
/** The last one stands for "no id" in the kernel's calls. */
const HIGHEST_ID = 2 ** 32 - 2;

/** As the engine takes it: `user:group`, `uid:gid`; undefined leaves it to the image. */
export function userOf(security: LinuxContainerSecurityContext | undefined): string | undefined {
  if (security === undefined) return undefined;
  const { runAsUser, runAsUsername, runAsGroup } = security;
  if (runAsUser !== undefined && runAsUsername !== '') {
    throw invalid(VERB, `${FIELD}.run_as_user`, 'and run_as_username are both set, must be one of them');
  }
  const user = runAsUser === undefined ? runAsUsername : idOf(runAsUser.value, `${FIELD}.run_as_user`);
  if (runAsGroup === undefined) return user === '' ? undefined : String(user);
  if (user === '') throw invalid(VERB, `${FIELD}.run_as_group`, 'is set without run_as_user or run_as_username');
  return `${user}:${idOf(runAsGroup.value, `${FIELD}.run_as_group`)}`;
}

export function supplementalGroupsOf(
  security: LinuxContainerSecurityContext | undefined,
): SupplementalGroups | undefined {
  if (security === undefined) return undefined;
  const { supplementalGroups, supplementalGroupsPolicy: policy } = security;
  const gids = supplementalGroups.map((gid, index) => idOf(gid, `${FIELD}.supplemental_groups[${index}]`));
  if (policy === SupplementalGroupsPolicy.Strict) return { gids, isStrict: true };
  if (policy === SupplementalGroupsPolicy.Merge) return gids.length === 0 ? undefined : given({ gids });
  throw invalid(VERB, `${FIELD}.supplemental_groups_policy`, `is ${policy}, must be Merge or Strict`);
}

function idOf(value: bigint, field: string): number {
  if (value < 0n || value > HIGHEST_ID) throw invalid(VERB, field, `is ${value}, must be from 0 to ${HIGHEST_ID}`);
  return Number(value);
}
