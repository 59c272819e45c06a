import assert from 'node:assert/strict';
import { chmodSync, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { newId } from '../../src/base/ids.ts';
import type { NamespacePins, SandboxSpec } from '../../src/engine/sandbox/state.ts';
import type { Driver } from '../support/driver.ts';
import { driverTest } from '../support/driver.ts';
import { containerRow, sandboxRow } from '../support/rows.ts';

const RANGE = [{ inside: 0, outside: 400_000, size: 65_536 }];
const USERS = { uids: RANGE, gids: RANGE };

interface Pod {
  readonly sandbox: SandboxSpec;
  readonly pins: NamespacePins;
}

/** As a host's /run is: the runtime goes to a container's root as the pod's own root. */
function openToAll(driver: Driver): void {
  for (const folder of [driver.root, `${driver.root}/run`]) chmodSync(folder, 0o711);
}

async function makePod(driver: Driver, given: Partial<SandboxSpec> = {}): Promise<Pod> {
  openToAll(driver);
  const { owner: _, ...spec } = sandboxRow(containerRow({})).spec;
  const sandbox: SandboxSpec = { ...spec, id: newId(), network: 'none', hostname: 'my-pod', users: USERS, ...given };
  const pins = driver.namespaces.plan(sandbox, ['user', 'net', 'ipc', 'uts', 'shm']);
  await driver.namespaces.create(sandbox, pins);
  return { sandbox, pins };
}

driverTest('the namespaces of a pod with users of its own belong to these', async (driver) => {
  const sysctls = { 'net.ipv4.ip_forward': '1', 'kernel.shm_rmid_forced': '1' };
  const pod = await makePod(driver, { sysctls });
  assert.equal(driver.namespaces.areWhole(pod.pins), true);
  const script = `
    ip link show lo | grep -o '<.*>'; ip link set lo down && echo down; hostname; hostname other && hostname
    cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shm_rmid_forced; ls /sys/class/net
    grep ' /dev/shm ' /proc/self/mounts | grep -o 'uid=.*'`;
  const security = { addCapabilities: ['NET_ADMIN', 'SYS_ADMIN'], seccomp: 'unconfined' } as const;
  assert.equal(
    await driver.output(script, { security }, pod),
    '<LOOPBACK,UP,LOWER_UP>\ndown\nmy-pod\nother\n1\n1\nlo\nuid=400000,gid=400000 0 0\n',
  );
  await driver.namespaces.remove(pod.sandbox.id, pod.pins);
  assert.equal(driver.namespaces.areWhole(pod.pins), false);
});

driverTest('what makes the namespaces is gone when they are pinned', async (driver) => {
  const before = children();
  const pod = await makePod(driver);
  assert.deepEqual(children(), before);
  await driver.namespaces.remove(pod.sandbox.id, pod.pins);
});

function children(): string {
  return readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim();
}

driverTest('an infra container with other users is somebody in their namespace', async (driver) => {
  const small = [{ inside: 0, outside: 500_000, size: 10 }];
  for (const [users, uid] of [
    [USERS, 465_535],
    [{ uids: small, gids: small }, 500_009],
  ] as const) {
    const pod = await makePod(driver, { users });
    const infra = await driver.start({ role: 'infra' }, pod);
    while (readFileSync(`/proc/${infra.init.pid}/comm`, 'utf8') !== 'catatonit\n') await sleepFor(1);
    const status = readFileSync(`/proc/${infra.init.pid}/status`, 'utf8');
    assert.match(status, new RegExp(`^Uid:\\t${uid}\\t${uid}`, 'm'));
    assert.deepEqual(readdirSync(`/proc/${infra.init.pid}/root`).toSorted(), ['catatonit', 'dev', 'proc']);
    assert.equal(readlinkSync(`/proc/${infra.init.pid}/ns/user`), `user:[${statSync(pod.pins.user ?? '').ino}]`);
    await driver.clean(infra.run);
    await driver.namespaces.remove(pod.sandbox.id, pod.pins);
  }
});

driverTest('a privileged container with users of its own has devices, and no power over the host', async (driver) => {
  const pod = await makePod(driver);
  const script = 'ls -l /dev/kmsg | cut -c1; echo x 2>/dev/null >/dev/kmsg || echo refused; hostname mine && hostname';
  const security = { isPrivileged: true };
  assert.equal(await driver.output(script, { security }, pod), 'c\nrefused\nmine\n');
  await driver.namespaces.remove(pod.sandbox.id, pod.pins);
});

driverTest('nobody else of the host can come to the root of such a container', async (driver) => {
  const pod = await makePod(driver);
  const { run } = await driver.start({}, pod);
  const folder = `${driver.root}/run/runs/${run.containerId}`;
  for (const path of [folder, `${folder}/1`]) {
    const { mode, uid, gid } = statSync(path);
    assert.deepEqual([mode & 0o777, uid, gid], [0o710, 0, 400_000]);
  }
  for (const name of readdirSync(`${folder}/1`).filter((each) => each.endsWith('.json'))) {
    assert.equal(statSync(`${folder}/1/${name}`).mode & 0o777, 0o600, name);
  }
  await driver.clean(run);
  await driver.namespaces.remove(pod.sandbox.id, pod.pins);
});

driverTest('a run folder that only some may enter is told of', async (driver) => {
  const pod = await makePod(driver);
  chmodSync(`${driver.root}/run`, 0o700);
  await assert.rejects(driver.prepare({}, pod), { code: 'Unavailable', message: /only some of the host may enter/ });
  for (const run of await driver.runtime.find()) await driver.clean(run);
  await driver.namespaces.remove(pod.sandbox.id, pod.pins);
});
