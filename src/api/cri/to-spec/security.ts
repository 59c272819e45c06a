import type { SecurityRequest } from '../../../engine/container/spec.ts';
import type { SandboxRow } from '../../../engine/sandbox/state.ts';
import { SecurityProfile_ProfileType as ProfileType } from '../../../gen/cri/api.ts';
import type { LinuxContainerSecurityContext, SecurityProfile } from '../../../gen/cri/api.ts';
import { sandboxData } from '../api-data.ts';
import { invalid, unsupported } from '../errors.ts';
import { given } from '../given.ts';

const VERB = 'create container';
const FIELD = 'config.linux.security_context';

/**
 * How a container is confined. SELinux options are passed over, as they are on every host without SELinux.
 * @throws BerthError InvalidArgument; Unsupported for what would be a promise that is not kept
 */
export function securityOf(asked: LinuxContainerSecurityContext | undefined, sandbox: SandboxRow): SecurityRequest {
  // nothing is masked but what is usual then, and there is no filter of system calls, as ever when none was asked for
  if (asked === undefined) return { seccomp: 'unconfined' };
  if (asked.privileged && sandboxData(sandbox.spec)?.isPrivileged !== true) {
    throw invalid(VERB, `${FIELD}.privileged`, 'is set, but the sandbox was not made for privileged containers');
  }
  const { addCapabilities = [], dropCapabilities = [], addAmbientCapabilities = [] } = asked.capabilities ?? {};
  if (addAmbientCapabilities.length > 0) {
    throw unsupported(VERB, `${FIELD}.capabilities.add_ambient_capabilities`, 'asks for what berth does not give yet');
  }
  checkApparmor(asked);
  return given({
    isPrivileged: asked.privileged,
    addCapabilities,
    dropCapabilities,
    isReadonlyRootfs: asked.readonlyRootfs,
    noNewPrivileges: asked.noNewPrivs,
    seccomp: seccompOf(asked),
    // the lists are whole: a kubelet sends the usual ones, or none for a pod with `procMount: Unmasked`
    maskedPaths: asked.maskedPaths,
    readonlyPaths: asked.readonlyPaths,
  });
}

/** Nobody who says nothing gets a filter: the kubelet decides about that. */
function seccompOf(asked: LinuxContainerSecurityContext): NonNullable<SecurityRequest['seccomp']> {
  if (asked.privileged) return 'unconfined';
  const field = asked.seccomp === undefined ? `${FIELD}.seccomp_profile_path` : `${FIELD}.seccomp`;
  const profile = asked.seccomp ?? profileOf(asked.seccompProfilePath, field);
  switch (profile?.profileType) {
    case undefined:
    case ProfileType.Unconfined:
      return 'unconfined';
    case ProfileType.RuntimeDefault:
      return 'default';
    case ProfileType.Localhost: {
      const file = withoutPrefix(profile.localhostRef);
      if (!file.startsWith('/')) throw invalid(VERB, field, `names the profile "${file}", must be an absolute path`);
      return { file };
    }
    default:
      throw invalid(VERB, field, `is of type ${profile?.profileType}, which is no type of the CRI`);
  }
}

/** To run without the confinement that somebody counts on is worse than not to run. */
function checkApparmor(asked: LinuxContainerSecurityContext): void {
  const field = asked.apparmor === undefined ? `${FIELD}.apparmor_profile` : `${FIELD}.apparmor`;
  const profile = asked.apparmor ?? profileOf(asked.apparmorProfile, field);
  if (profile === undefined || profile.profileType === ProfileType.Unconfined) return;
  if (asked.privileged && profile.profileType === ProfileType.RuntimeDefault) return;
  throw unsupported(VERB, field, 'asks for an AppArmor profile, and berth confines nothing with AppArmor yet');
}

const LOCALHOST = 'localhost/';

function withoutPrefix(profile: string): string {
  return profile.startsWith(LOCALHOST) ? profile.slice(LOCALHOST.length) : profile;
}

/** Reads the old form of a profile, which clients from before 2021 send. */
function profileOf(text: string, field: string): SecurityProfile | undefined {
  if (text === '') return undefined;
  if (text === 'unconfined') return { profileType: ProfileType.Unconfined, localhostRef: '' };
  if (text === 'runtime/default' || text === 'docker/default')
    return { profileType: ProfileType.RuntimeDefault, localhostRef: '' };
  if (text.startsWith(LOCALHOST)) return { profileType: ProfileType.Localhost, localhostRef: text };
  throw invalid(VERB, field, `is "${text}", must be runtime/default, unconfined or localhost/<profile>`);
}
