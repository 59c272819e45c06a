import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { story } from '../support/daemon.ts';
import { POLITE } from '../support/programs.ts';
import { repetitions } from '../support/scale.ts';

/** crun, one in twelve of which is killed in its first 20 ms. It notes each. */
const MORTAL_CRUN = `#!/bin/bash
[ $# -gt 1 ] && [ $((RANDOM % 12)) = 0 ] || exec crun "$@"
crun "$@" & pid=$!
sleep 0.0$((RANDOM % 20 / 10))$((RANDOM % 10))
kill -KILL $pid && echo "$*" >> ROOT/killed-runtimes
wait $pid
`;

story(
  'L10: start, stop and remove again and again while daemon, monitor and runtime are killed at random: nothing is left',
  { config: '[runtime.handlers.crun]\npath = "ROOT/crun"', programs: { crun: MORTAL_CRUN } },
  async (daemon, t) => {
    const rounds = repetitions(1_000);
    const killed = { daemon: 0, monitor: 0 };
    let round = 0;
    let failures = 0;
    const worker = async (): Promise<void> => {
      while (round < rounds) {
        round += 1;
        try {
          const { id } = await daemon.run(POLITE);
          if (round % 7 === 0) {
            process.kill(daemon.monitorOf(id), 'SIGKILL');
            killed.monitor += 1;
          }
          await daemon.stop(id, { graceMs: 2_000 });
          await daemon.remove(id, true);
        } catch {
          failures += 1; // its daemon was killed under it; what it began is looked at in the end
          await sleepFor(100);
        }
      }
    };
    const killer = async (): Promise<void> => {
      while (round < rounds) {
        await sleepFor(700 + ((round * 137) % 900));
        await daemon.kill();
        killed.daemon += 1;
        await daemon.boot();
      }
    };
    await Promise.all([worker(), worker(), worker(), killer()]);

    await daemon.untilRecovered();
    const runtimes = readFileSync(`${daemon.root}/killed-runtimes`, 'utf8').trimEnd().split('\n').length;
    t.diagnostic(
      `${rounds} rounds, ${failures} of them cut off; killed ${killed.daemon} daemons, ${killed.monitor} monitors, ${runtimes} runtimes`,
    );
    const { containers } = await daemon.get<{ containers: { id: string }[] }>('/v1/containers');
    for (const { id } of containers) await daemon.remove(id, true);
    while ((await daemon.get<{ debts: unknown[] }>('/v1/debts')).debts.length > 0) await sleepFor(100);
    for (const folder of ['run/runs', 'run/exits', 'run/ns', 'run/crun', 'state/logs', 'state/snapshots/c']) {
      const left = readdirSync(`${daemon.root}/${folder}`).filter((name) => name !== '.cache'); // newer cruns keep filters
      assert.deepEqual(left, [], folder);
    }
    await daemon.kill();
    await daemon.boot();
    assert.deepEqual(readdirSync(`${daemon.root}/run/copies`), [], 'what killed runtimes left');
    assert.ok(killed.daemon > 0 && killed.monitor > 0 && runtimes > 0);
    assert.equal(daemon.mounts().filter((mount) => mount.includes('overlay') || mount.includes('nsfs')).length, 0);
    assert.ok(readdirSync(`/proc/${daemon.pid}/fd`).length < 60);
    assert.doesNotMatch(readFileSync(`${daemon.root}/daemon.log`, 'utf8'), /unexpected failure/);
  },
);
