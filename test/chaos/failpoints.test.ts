import assert from 'node:assert/strict';
import { setTimeout as sleepFor } from 'node:timers/promises';
import type { EventLine } from '../../src/api/berth/types.ts';
import { STEPS } from '../../src/engine/index.ts';
import { story } from '../support/daemon.ts';
import type { Daemon } from '../support/daemon.ts';
import { COUNTER, POLITE, terms } from '../support/programs.ts';

/**
 * What each verb does before the daemon dies in it, and what must be true after the next one has recovered. Each
 * leaves its container to be removed.
 */
interface Scenario {
  /** Returns the container's id; the daemon may die in it. */
  prepare(daemon: Daemon): Promise<string>;
  act(daemon: Daemon, id: string): Promise<unknown>;
  readonly verify: (daemon: Daemon, id: string) => Promise<void>;
}

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  start: {
    prepare: async (daemon) => (await daemon.create(POLITE)).id,
    act: (daemon, id) => daemon.post(`/v1/containers/${id}/start`),
    verify: async (daemon, id) => {
      const { phase, exit } = await daemon.inspect(id);
      assert.match(phase, /^(created|running|exited)$/);
      if (phase === 'exited') assert.equal(exit?.cause, 'start-failed');
      if (phase !== 'running') return;
      await daemon.untilPrinted(id, 'ready');
      const result = await daemon.stop(id);
      assert.equal(result.changed && result.exit?.code, 7);
    },
  },
  stop: {
    prepare: async (daemon) => {
      const { id } = await daemon.run(COUNTER);
      await daemon.untilPrinted(id, 'ready');
      return id;
    },
    act: (daemon, id) => daemon.stop(id, { graceMs: 3_000 }),
    verify: verifyStopped,
  },
  exit: {
    prepare: async (daemon) => (await daemon.create('sleep 0.2; exit 42')).id,
    act: async (daemon, id) => {
      await daemon.post(`/v1/containers/${id}/start`);
      await daemon.wait(id);
    },
    verify: verifyExit,
  },
  remove: {
    prepare: async (daemon) => {
      const { id } = await daemon.run('true');
      await daemon.wait(id);
      await daemon.untilClean(id);
      return id;
    },
    act: (daemon, id) => daemon.remove(id),
    verify: async (daemon, id) => {
      await daemon.remove(id).catch((error: { code?: string }) => assert.equal(error.code, 'NotFound'));
    },
  },
  create: {
    prepare: () => Promise.resolve('fresh'),
    act: (daemon) => daemon.create('true', { name: 'fresh' }),
    verify: async (daemon, id) => {
      await daemon.remove(id).catch((error: { code?: string }) => assert.equal(error.code, 'NotFound'));
      const { id: again } = await daemon.create('true', { name: 'fresh' });
      await daemon.remove(again);
    },
  },
  pause: {
    prepare: async (daemon) => {
      const { id } = await daemon.run(POLITE);
      await daemon.untilPrinted(id, 'ready');
      return id;
    },
    act: (daemon, id) => daemon.post(`/v1/containers/${id}/pause`),
    verify: verifyFrozen,
  },
  resume: {
    prepare: async (daemon) => {
      const { id } = await daemon.run(POLITE);
      await daemon.untilPrinted(id, 'ready');
      await daemon.post(`/v1/containers/${id}/pause`);
      return id;
    },
    act: (daemon, id) => daemon.post(`/v1/containers/${id}/resume`),
    verify: verifyFrozen,
  },
  'start.kill': {
    prepare: async (daemon) => (await daemon.create('', { command: ['/no/such/program'] })).id,
    act: (daemon, id) => daemon.post(`/v1/containers/${id}/start`),
    verify: async (daemon, id) => {
      const { exit } = await daemon.untilPhase(id, 'exited');
      assert.equal(exit?.cause, 'start-failed');
    },
  },
  'stop.young': {
    prepare: async (daemon) => (await daemon.run(`sleep 0.4; ${COUNTER}`)).id,
    act: (daemon, id) => daemon.stop(id, { graceMs: 3_000 }),
    verify: verifyStopped,
  },
  'exit.log': {
    prepare: async (daemon) => (await daemon.create('sleep 0.4; exit 42')).id,
    act: async (daemon, id) => {
      await daemon.post(`/v1/containers/${id}/start`);
      process.kill(daemon.monitorOf(id), 'SIGSTOP'); // the end of the log does not come
      await daemon.wait(id);
    },
    verify: verifyExit,
  },
};

/** Those of pods are gone through in pods.test.ts. */
const ownSteps = STEPS.filter((step) => !/^(sandbox|update)\.|^start\.infra$/.test(step));

for (const verb of new Set(ownSteps.map((step) => step.split('.')[0] ?? ''))) {
  const steps = ownSteps.filter((step) => step.startsWith(`${verb}.`));
  story(`the daemon dies at each failpoint of ${verb}, and the next one makes it right`, async (daemon, t) => {
    for (const point of steps.flatMap((step) => [`${step}.before`, `${step}.after`])) {
      const scenario = scenarioOf(point);
      await daemon.kill();
      await daemon.boot(`${point}:exit`);
      await daemon.untilRecovered();
      const id = await scenario.prepare(daemon);
      const acting = scenario.act(daemon, id);
      acting.catch(() => undefined);
      await dead(daemon, point);
      await daemon.boot();
      await daemon.untilRecovered();
      try {
        await scenario.verify(daemon, id);
        if (verb !== 'create' && verb !== 'remove') await daemon.remove(id, true);
      } catch (error) {
        t.diagnostic(`at ${point}`);
        throw error;
      }
    }
  });
}

/** A step's own, or that of its verb. */
function scenarioOf(point: string): Scenario {
  const [verb = '', step = ''] = point.split('.');
  const scenario = SCENARIOS[`${verb}.${step}`] ?? SCENARIOS[verb === 'clean' ? 'exit' : verb];
  assert.ok(scenario !== undefined, `a scenario that comes to ${point}`);
  return scenario;
}

async function verifyStopped(daemon: Daemon, id: string): Promise<void> {
  await daemon.stop(id, { graceMs: 3_000 });
  const { exit } = await daemon.untilPhase(id, 'exited');
  assert.equal(exit?.cause, 'stop');
  assert.equal(terms(await daemon.output(id)), 1, 'one stop signal');
}

async function verifyExit(daemon: Daemon, id: string): Promise<void> {
  const exit = await daemon.wait(id);
  assert.deepEqual([exit.code, exit.cause], [42, 'self']);
  await daemon.untilClean(id);
  const exits = (await daemon.history(id)).filter(({ type }: EventLine) => type === 'container.exited');
  assert.equal(exits.length, 1, 'one exit is told');
}

async function verifyFrozen(daemon: Daemon, id: string): Promise<void> {
  const isFrozen = daemon.cgroupOf(id).frozenBy() === 'itself';
  assert.equal((await daemon.inspect(id)).phase, isFrozen ? 'paused' : 'running');
  const result = await daemon.stop(id);
  assert.equal(result.changed && result.exit?.code, 7);
}

async function dead(daemon: Daemon, point: string): Promise<void> {
  for (let waited = 0; daemon.isAlive; waited += 10) {
    assert.ok(waited < 10_000, `${point} is never reached`);
    await sleepFor(10);
  }
}
