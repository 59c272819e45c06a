import assert from 'node:assert/strict';
import { test } from 'node:test';
import { securityOf } from '../../../../src/api/cri/to-spec/security.ts';
import { supplementalGroupsOf, userOf } from '../../../../src/api/cri/to-spec/user.ts';
import type { SecurityRequest } from '../../../../src/engine/container/spec.ts';
import {
  LinuxContainerSecurityContext,
  SecurityProfile_ProfileType as ProfileType,
  SupplementalGroupsPolicy,
} from '../../../../src/gen/cri/api.ts';
import { message } from '../../../support/cri.ts';
import { podRow } from '../../../support/cri-rows.ts';

type Given = Partial<LinuxContainerSecurityContext>;

const context = (given: Given): LinuxContainerSecurityContext => message(LinuxContainerSecurityContext, given);
const privilegedPod = podRow({}, { isPrivileged: true });

function translate(given: Given, sandbox = podRow()): SecurityRequest {
  return securityOf(context(given), sandbox);
}

test('a context that says nothing confines as it says: nothing is masked', () => {
  assert.deepEqual(translate({}), {
    isPrivileged: false,
    addCapabilities: [],
    dropCapabilities: [],
    isReadonlyRootfs: false,
    noNewPrivileges: false,
    seccomp: 'unconfined',
    maskedPaths: [],
    readonlyPaths: [],
  });
});

test('without a context nothing is said, and what is usual is masked', () => {
  assert.deepEqual(securityOf(undefined, podRow()), { seccomp: 'unconfined' });
});

test('what confines a container reaches the engine in its words', () => {
  const capabilities = {
    addCapabilities: ['NET_ADMIN', 'ALL'],
    dropCapabilities: ['NET_RAW'],
    addAmbientCapabilities: [],
  };
  const selinuxOptions = { user: '', role: '', type: 'container_t', level: 's0' };
  const given = { readonlyRootfs: true, noNewPrivs: true, maskedPaths: ['/bin/ls'], readonlyPaths: ['/tmp'] };
  const request = translate({ capabilities, selinuxOptions, ...given });
  assert.deepEqual([request.addCapabilities, request.dropCapabilities], [['NET_ADMIN', 'ALL'], ['NET_RAW']]);
  assert.deepEqual([request.isReadonlyRootfs, request.noNewPrivileges], [true, true]);
  assert.deepEqual([request.maskedPaths, request.readonlyPaths], [['/bin/ls'], ['/tmp']]);
});

test('a privileged container needs a sandbox that was made for such', () => {
  assert.equal(translate({ privileged: true }, privilegedPod).isPrivileged, true);
  assert.throws(() => translate({ privileged: true }), {
    code: 'InvalidArgument',
    message: /privileged is set, but the sandbox was not made for privileged containers/,
  });
});

const localhost = (localhostRef: string): Given => ({ seccomp: { profileType: ProfileType.Localhost, localhostRef } });

for (const [what, given, expected] of [
  ['nothing', {}, 'unconfined'],
  ['RuntimeDefault', { seccomp: { profileType: ProfileType.RuntimeDefault, localhostRef: '' } }, 'default'],
  ['Unconfined', { seccomp: { profileType: ProfileType.Unconfined, localhostRef: '' } }, 'unconfined'],
  ['a file', localhost('/var/lib/kubelet/seccomp/a.json'), { file: '/var/lib/kubelet/seccomp/a.json' }],
  ['a file in the old form', { seccompProfilePath: 'localhost//etc/a.json' }, { file: '/etc/a.json' }],
  ['runtime/default', { seccompProfilePath: 'runtime/default' }, 'default'],
  ['docker/default', { seccompProfilePath: 'docker/default' }, 'default'],
  ['unconfined in the old form', { seccompProfilePath: 'unconfined' }, 'unconfined'],
  [
    'both forms, of which the new one wins,',
    { seccomp: { profileType: ProfileType.Unconfined, localhostRef: '' }, seccompProfilePath: 'runtime/default' },
    'unconfined',
  ],
] as const) {
  test(`${what} for seccomp is ${JSON.stringify(expected)}`, () =>
    assert.deepEqual(translate(given).seccomp, expected));
}

test('a privileged container has no filter, whatever is asked for', () => {
  assert.equal(translate({ privileged: true, ...localhost('/a.json') }, privilegedPod).seccomp, 'unconfined');
});

for (const [what, given, expected] of [
  ['a relative path', localhost('a.json'), /seccomp names the profile "a\.json", must be an absolute path/],
  ['no path', localhost(''), /must be an absolute path/],
  ['an old form that is none', { seccompProfilePath: 'strict' }, /seccomp_profile_path is "strict"/],
  ['a type that is none', { seccomp: { profileType: 7 as ProfileType, localhostRef: '' } }, /seccomp is of type 7/],
] as const) {
  test(`${what} for seccomp is refused`, () => {
    assert.throws(() => translate(given), { code: 'InvalidArgument', message: expected });
  });
}

test('a confinement by AppArmor is not promised, and doing without it is no promise', () => {
  const profile = (profileType: ProfileType): Given => ({ apparmor: { profileType, localhostRef: 'p' } });
  translate(profile(ProfileType.Unconfined));
  translate({ apparmorProfile: 'unconfined' });
  translate({ apparmorProfile: '' });
  translate({ privileged: true, ...profile(ProfileType.RuntimeDefault) }, privilegedPod);
  for (const given of [
    profile(ProfileType.RuntimeDefault),
    profile(ProfileType.Localhost),
    { apparmorProfile: 'localhost/mine' },
    { apparmorProfile: 'runtime/default' },
  ]) {
    assert.throws(() => translate(given), { code: 'Unsupported', message: /AppArmor/ });
  }
});

test('ambient capabilities are not promised', () => {
  const capabilities = { addCapabilities: [], dropCapabilities: [], addAmbientCapabilities: ['NET_BIND_SERVICE'] };
  assert.throws(() => translate({ capabilities }), { code: 'Unsupported', message: /add_ambient_capabilities/ });
});

for (const [given, expected] of [
  [{}, undefined],
  [{ runAsUser: { value: 0n } }, '0'],
  [{ runAsUser: { value: 1_001n } }, '1001'],
  [{ runAsUser: { value: 1_001n }, runAsGroup: { value: 1_002n } }, '1001:1002'],
  [{ runAsUsername: 'nobody' }, 'nobody'],
  [{ runAsUsername: 'nobody', runAsGroup: { value: 0n } }, 'nobody:0'],
] as const) {
  test(`a container runs as ${expected ?? 'its image says'}`, () => assert.equal(userOf(context(given)), expected));
}

for (const [what, given, expected] of [
  ['a group without a user', { runAsGroup: { value: 1n } }, /run_as_group is set without run_as_user/],
  ['two users', { runAsUser: { value: 1n }, runAsUsername: 'a' }, /must be one of them/],
  ['a negative user', { runAsUser: { value: -1n } }, /run_as_user is -1/],
  ['the user that stands for none', { runAsUser: { value: 4_294_967_295n } }, /run_as_user is 4294967295/],
  ['a negative group', { runAsUser: { value: 1n }, runAsGroup: { value: -5n } }, /run_as_group is -5/],
] as const) {
  test(`${what} is refused`, () => {
    assert.throws(() => userOf(context(given)), { code: 'InvalidArgument', message: expected });
  });
}

test("groups beside the user's own are added to those of the image, or stand alone", () => {
  const groups = (given: Given): unknown => supplementalGroupsOf(context(given));
  assert.equal(groups({}), undefined);
  assert.deepEqual(groups({ supplementalGroups: [1_234n, 5_678n] }), { gids: [1_234, 5_678] });
  const supplementalGroupsPolicy = SupplementalGroupsPolicy.Strict;
  assert.deepEqual(groups({ supplementalGroupsPolicy }), { gids: [], isStrict: true });
  assert.deepEqual(groups({ supplementalGroups: [1n], supplementalGroupsPolicy }), { gids: [1], isStrict: true });
  assert.throws(() => groups({ supplementalGroups: [-1n] }), { message: /supplemental_groups\[0\] is -1/ });
  assert.throws(() => groups({ supplementalGroupsPolicy: 5 as SupplementalGroupsPolicy }), { message: /policy is 5/ });
});
