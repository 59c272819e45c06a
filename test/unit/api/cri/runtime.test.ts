import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CgroupDriver } from '../../../../src/gen/cri/api.ts';
import { ServedCri } from '../../../support/serve-cri.ts';

test('a node without a network says so, and why', async () => {
  await using served = await ServedCri.open({ networkTrouble: 'there is no configuration in /etc/cni/net.d' });
  const { status } = await served.runtime.status({ verbose: false });
  assert.deepEqual(status?.conditions, [
    { type: 'RuntimeReady', status: true, reason: '', message: '' },
    {
      type: 'NetworkReady',
      status: false,
      reason: 'NetworkPluginNotReady',
      message: 'there is no configuration in /etc/cni/net.d',
    },
  ]);
});

test('a node that can save nothing new takes no pods', async () => {
  await using served = await ServedCri.open({ trouble: 'the disk is full' });
  const { status } = await served.runtime.status({ verbose: false });
  assert.deepEqual(status?.conditions[0], {
    type: 'RuntimeReady',
    status: false,
    reason: 'StateNotSaved',
    message: 'the disk is full',
  });
});

test('what the runtime can do is told for each handler, the default one among them', async () => {
  await using served = await ServedCri.open();
  const { runtimeHandlers, features } = await served.runtime.status({ verbose: false });
  assert.deepEqual(
    runtimeHandlers.map(({ name }) => name),
    ['', 'crun', 'runc'],
  );
  for (const handler of runtimeHandlers) {
    assert.deepEqual(handler.features, { recursiveReadOnlyMounts: true, userNamespaces: true });
  }
  assert.deepEqual(features, { supplementalGroupsPolicy: true, userNamespacesHostNetwork: true });
});

test('a host on which roots cannot belong to others promises no user namespaces', async () => {
  await using served = await ServedCri.open({ idmapTrouble: 'this kernel does not map ids' });
  const { runtimeHandlers, features } = await served.runtime.status({ verbose: false });
  assert.ok(runtimeHandlers.every((handler) => handler.features?.userNamespaces === false));
  assert.equal(features?.userNamespacesHostNetwork, false);
});

test('cgroups are paths here, and the addresses of pods are not its affair', async () => {
  await using served = await ServedCri.open();
  assert.equal((await served.runtime.runtimeConfig({})).linux?.cgroupDriver, CgroupDriver.CGROUPFS);
  const runtimeConfig = { networkConfig: { podCidr: '10.1.0.0/16' } };
  assert.deepEqual(await served.runtime.updateRuntimeConfig({ runtimeConfig }), {});
});
