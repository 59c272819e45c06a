import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSeccomp } from '../../../src/runtime/seccomp-file.ts';
import type { OciSeccomp } from '../../../src/runtime/seccomp.ts';

const context = { capabilities: ['CAP_SYS_ADMIN'], architecture: 'x64' };
const ALLOW = 'SCMP_ACT_ALLOW';

function parse(profile: object, given = context): OciSeccomp {
  return parseSeccomp({ defaultAction: 'SCMP_ACT_ERRNO', ...profile }, given, 'profile');
}

/** The calls of a profile with one rule, as far as it holds. */
function names(rule: object, given = context): readonly string[] {
  return parse({ syscalls: [{ action: ALLOW, names: ['mount'], ...rule }] }, given).syscalls.flatMap(
    (each) => each.names,
  );
}

test('a profile in the runtime’s own words stays as it is', () => {
  const profile = {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 38,
    architectures: ['SCMP_ARCH_X86_64'],
    flags: ['SECCOMP_FILTER_FLAG_LOG'],
    syscalls: [
      { names: ['read'], action: ALLOW },
      {
        names: ['clone'],
        action: 'SCMP_ACT_ERRNO',
        errnoRet: 1,
        args: [{ index: 0, value: 5, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
      },
    ],
  };
  assert.deepEqual(parse(profile), profile);
});

test('one call may be named as such, and what only people read is left out', () => {
  const { syscalls } = parse({ syscalls: [{ name: 'chmod', action: ALLOW, comment: 'why', args: null }] });
  assert.deepEqual(syscalls, [{ names: ['chmod'], action: ALLOW }]);
});

for (const [what, rule, holds] of [
  ['a capability that the container has', { includes: { caps: ['CAP_SYS_ADMIN'] } }, true],
  ['a capability that it lacks', { includes: { caps: ['CAP_SYS_ADMIN', 'CAP_BPF'] } }, false],
  ['the absence of a capability that it has', { excludes: { caps: ['CAP_SYS_ADMIN'] } }, false],
  ['the absence of one that it lacks', { excludes: { caps: ['CAP_BPF'] } }, true],
  ['this architecture', { includes: { arches: ['amd64', 'x32'] } }, true],
  ['another architecture', { includes: { arches: ['arm64'] } }, false],
  ['not this architecture', { excludes: { arches: ['amd64'] } }, false],
  ['a kernel that is older', { includes: { minKernel: '4.8' } }, true],
  ['a kernel that is yet to come', { includes: { minKernel: '99.1' } }, false],
  ['nothing', { includes: {}, excludes: null }, true],
] as const) {
  test(`a rule that asks for ${what} ${holds ? 'holds' : 'does not hold'}`, () => {
    assert.deepEqual(names(rule), holds ? ['mount'] : []);
  });
}

test('architectures can be given by what they bring with them', () => {
  const archMap = [
    { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
    { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
  ];
  assert.deepEqual(parse({ archMap }).architectures, ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32']);
  assert.deepEqual(parse({ archMap }, { ...context, architecture: 'arm64' }).architectures, [
    'SCMP_ARCH_AARCH64',
    'SCMP_ARCH_ARM',
  ]);
  assert.equal(parse({}).architectures, undefined);
});

for (const [profile, message] of [
  [{ defaultAction: 'deny' }, /"defaultAction" is "deny": must be/],
  [{ defaultAction: 'SCMP_ACT_NOTIFY' }, /"defaultAction"/],
  [{ syscalls: [{ names: ['read'] }] }, /"syscalls\.0\.action" is missing/],
  [{ syscalls: [{ names: 'read', action: ALLOW }] }, /"syscalls\.0\.names"/],
  [{ syscalls: [{ names: ['read'], action: ALLOW, args: [{ index: 0, value: 1, op: '==' }] }] }, /args\.0\.op/],
] as const) {
  test(`profile ${JSON.stringify(profile)} is refused`, () => {
    assert.throws(() => parse(profile), { code: 'InvalidArgument', message });
  });
}
