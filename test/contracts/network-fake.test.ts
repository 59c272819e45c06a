import { BerthError } from '../../src/base/errors.ts';
import { describeClaim } from '../../src/network/host-ports/claims.ts';
import { FakeCables, FakeNetwork } from '../fakes/fake-network.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { Power } from '../fakes/power.ts';
import type { PluginMood } from './network.ts';
import { testNetwork } from './network.ts';

const FAILURES: Readonly<Partial<Record<PluginMood, BerthError>>> = {
  fails: new BerthError('Internal', 'Cannot go on: the plugin fails on purpose'),
  again: new BerthError('Unavailable', 'Cannot go on: try again later'),
};

testNetwork('in memory', () => {
  const clock = new ManualClock();
  const cables = new FakeCables(clock);
  const namespaces = new Set<string>();
  let power = new Power();
  let network = new FakeNetwork(cables, power);
  return Promise.resolve({
    get network() {
      return network;
    },
    makeNamespace: (sandboxId) => {
      namespaces.add(sandboxId);
      return Promise.resolve(`/run/netns/berth-${sandboxId}`);
    },
    removeNamespace: (sandboxId) => {
      namespaces.delete(sandboxId);
      return Promise.resolve();
    },
    setMood: (verb, mood) => {
      cables.hangsAt = mood === 'hang' ? verb : undefined;
      if (verb === 'attach') cables.attachFailure = FAILURES[mood];
      else cables.detachFailure = FAILURES[mood];
    },
    setConfigured: (isConfigured) => {
      cables.trouble = isConfigured ? undefined : 'no network config found in /etc/cni/net.d';
      return Promise.resolve();
    },
    occupy: (port) => {
      cables.hostProcesses.set(port, 'web (pid 7)');
      return Promise.resolve('web (pid 7)');
    },
    forwarded: () => Promise.resolve([...cables.forwarded.values()].flat().map(describeClaim).toSorted()),
    untilCalled: async () => {
      await clock.runUntil(() => cables.attached.size > 0, 1_000);
    },
    complete: (promise) => clock.complete(promise),
    census: () => Promise.resolve([...cables.census(), ...namespaces]),
    restart: () => {
      power.cut();
      power = new Power();
      network = new FakeNetwork(cables, power);
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});
