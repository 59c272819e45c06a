import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import type { MountRequest } from '../../src/engine/container/spec.ts';
import type { ResolveRequest } from '../../src/engine/ports.ts';
import { makeHangingFs } from '../support/hanging-fs.ts';
import type { Driver } from '../support/driver.ts';
import { driverTest } from '../support/driver.ts';
import { layout } from '../support/process-in-cgroup.ts';

function request(driver: Driver, given: Partial<ResolveRequest>): ResolveRequest {
  const none = {
    userName: '',
    supplementalGroups: undefined,
    mounts: [],
    security: {},
    rlimits: [],
    signal: undefined,
  };
  return { rootfs: `${driver.root}/image`, ...none, ...given };
}

const bind = (source: string): MountRequest => ({ kind: 'bind', source, target: '/data' });
const madeBind = (source: string): MountRequest => ({ kind: 'bind', source, target: '/data', makesSource: true });

driverTest(
  'the folder of a mount is made where there is nothing, and left alone where there is something',
  async (driver) => {
    const { root, runtime } = driver;
    mkdirSync(`${root}/data`);
    symlinkSync(`${root}/data`, `${root}/link`);
    writeFileSync(`${root}/file`, 'kept');
    const sources = [`${root}/link/a/b`, `${root}/file`];
    const { mounts } = await runtime.resolve(request(driver, { mounts: sources.map(madeBind) }));

    assert.deepEqual(
      mounts.map((mount) => (mount.kind === 'bind' ? mount.source : '')),
      [`${root}/data/a/b`, `${root}/file`],
    );
    assert.equal(statSync(`${root}/data/a/b`).mode & 0o777, 0o755);
  },
);

driverTest('a folder that cannot be made is refused with the reason, and none is made unasked', async (driver) => {
  const { root, runtime } = driver;
  writeFileSync(`${root}/file`, '');
  await assert.rejects(runtime.resolve(request(driver, { mounts: [madeBind(`${root}/file/below`)] })), {
    code: 'InvalidArgument',
    message: /Cannot make folder ".*\/file\/below": .*Not a directory/,
  });
  await assert.rejects(runtime.resolve(request(driver, { mounts: [bind(`${root}/nothing`)] })), {
    code: 'InvalidArgument',
    field: 'mounts[0].source',
  });
  assert.equal(existsSync(`${root}/nothing`), false);
});

driverTest('a folder to be made on a file system that hangs is given up', async (driver) => {
  using fs = await makeHangingFs();
  fs.hang();
  await assert.rejects(driver.runtime.resolve(request(driver, { mounts: [madeBind(`${fs.path}/new`)] })), {
    code: 'DeadlineExceeded',
    message: /does not answer/,
  });
  assert.deepEqual(driver.outside.hanging, [`${fs.path}/new`]);
});

const BLOCKS_CHMOD = {
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [{ names: ['chmod', 'fchmod', 'fchmodat', 'fchmodat2'], action: 'SCMP_ACT_ERRNO' }],
};

driverTest('a seccomp profile of a file holds for a container and for what is run beside it', async (driver) => {
  const file = `${driver.root}/profile.json`;
  writeFileSync(file, JSON.stringify(BLOCKS_CHMOD));
  const security = { seccomp: { file } };
  await driver.runtime.resolve(request(driver, { security }));
  const script = 'touch /tmp/mine; chmod 700 /tmp/mine 2>&1 && echo changed; grep Seccomp: /proc/self/status';
  chmodSync(`${driver.root}/image/bin`, 0o755);
  const busybox = `${driver.root}/image/bin`;
  symlinkSync('busybox', `${busybox}/chmod`);

  assert.match(await driver.output(script, { security }), /chmod: .*Operation not permitted\nSeccomp:\t2\n/);
  assert.match(
    await driver.output(script, { security: { ...security, isPrivileged: true } }),
    /changed\nSeccomp:\t0\n/,
  );
  const { run } = await driver.start({ security });
  const done = await driver.exec(run, ['chmod', '700', '/tmp/mine']);
  assert.match(done.stderr, /Operation not permitted/);
  await driver.clean(run);
});

for (const [what, text, message] of [
  ['is no JSON', '{', /Cannot use seccomp profile ".*": .*JSON/],
  ['says nothing', '{}', /"defaultAction" is missing/],
  ['names an action that there is not', '{"defaultAction":"ALLOW"}', /"defaultAction" is "ALLOW": must be/],
  ['is too large', ' '.repeat((1 << 20) + 1), /it is larger than/],
  ['is not there', undefined, /there is no such file/],
] as const) {
  driverTest(`a seccomp profile that ${what} is refused when the container is made`, async (driver) => {
    const file = `${driver.root}/profile.json`;
    if (text !== undefined) writeFileSync(file, text);
    const security = { seccomp: { file } };
    await assert.rejects(driver.runtime.resolve(request(driver, { security })), { code: 'InvalidArgument', message });
  });
}

driverTest('a seccomp profile that went away is why a start fails', async (driver) => {
  const file = `${driver.root}/profile.json`;
  writeFileSync(file, JSON.stringify(BLOCKS_CHMOD));
  const security = { seccomp: { file } };
  await driver.runtime.resolve(request(driver, { security }));
  rmSync(file);
  const id = 'f'.repeat(64);
  await assert.rejects(driver.prepare({ id, security }), { message: /profile\.json": there is no such file/ });
  await driver.clean({ containerId: id, number: 1 });
});

driverTest('groups are merged with the image’s, or not', async (driver) => {
  const gids = [1_234, 1_001];
  const merged = await driver.runtime.resolve(request(driver, { userName: 'web:web', supplementalGroups: { gids } }));
  const supplementalGroups = { gids, isStrict: true };
  const strict = await driver.runtime.resolve(request(driver, { userName: 'web', supplementalGroups }));
  assert.deepEqual(merged.user.additionalGids, [2_000, 1_234]);
  assert.deepEqual(strict.user.additionalGids, [1_234]);
});

if (layout.mode !== 'v2') {
  driverTest('files of cgroup v2 are refused where there are none', async (driver) => {
    const resources = { unified: { 'memory.high': '1000000' } };
    await assert.rejects(driver.runtime.resolve(request(driver, { resources })), {
      code: 'Unsupported',
      field: 'resources.unified',
    });
  });
}

driverTest('the program of infra containers is found', async (driver) => {
  assert.match(await driver.runtime.findInit(), /^\/.*catatonit$/);
});
