/**
 * What npm start shows when the daemon runs: a stop that is done right although the daemon is killed in its middle, and a
 * pod as a kubelet has it.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { makeHostRoot } from './demo/image.ts';
import { showPod } from './demo/pod.ts';
import { ask, say, show, showBehind } from './demo/stage.ts';

const PID_FILE = '/run/berth/npm-start.pid';
const GRACE = '1500ms';
const BUSY = 'trap "echo SIGTERM came, I stay" TERM; while :; do echo at work; sleep 0.3; done';

const name = `demo-${process.pid}`;
await demonstrate();

async function demonstrate(): Promise<void> {
  say('\nAn image of this host\'s own "sh" and "sleep":');
  {
    using root = makeHostRoot({ '/usr/bin/sh': '/bin/sh', '/usr/bin/sleep': '/bin/sleep' });
    await ask('rmi', 'demo'); // that of an earlier time
    await show('load', '--name', 'demo', root.folder);
  }
  say('\nA container that does not want to go:');
  await show('run', '-d', '--name', name, '--stop-grace', GRACE, 'demo', 'sh', '-c', BUSY);
  const following = showBehind('logs', '-f', name);
  await sleepFor(500);
  const stopping = showBehind('stop', '--reason', 'npm start', name);
  await sleepFor(500);
  await killDaemon();
  await stopping;
  await Promise.all([ask('wait', name), following]);

  say('\nWhat happened:');
  await show('timeline', name);
  await ask('rm', name);

  say('\nA pod, as a kubelet asks for it over the CRI:');
  await showPod('demo');
  tellTheRest();
}

/** Only the daemon that npm start itself has started. */
async function killDaemon(): Promise<void> {
  const pid = readPid();
  if (pid === undefined) {
    say('  (the daemon was not started by npm start: it is left alone)');
    return;
  }
  say(`  # kill -9 ${pid}: the daemon dies in the middle of the grace`);
  process.kill(pid, 'SIGKILL');
  rmSync(PID_FILE, { force: true });
  await sleepFor(100);
  const words = execFileSync('sh', ['-c', '. scripts/lib.sh; start_daemon'], { encoding: 'utf8' });
  say(`  # ${words.trim()}`);
}

function readPid(): number | undefined {
  try {
    const pid = Number(readFileSync(PID_FILE, 'utf8'));
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('bin/berth.ts\0serve') ? pid : undefined;
  } catch {
    return undefined;
  }
}

function tellTheRest(): void {
  say(`
The daemon runs on. Go on with:
  ./berth run --rm demo sh -c 'echo hello'     run something
  ./berth ps -a                                see what is there
  ./berth why NAME                             ask why a container is as it is
  ./berth doctor                               ask what is wrong with this host
  ./berth --help                               everything else
Stop it with:
  npm stop                                     containers stay and run on
  npm stop -- --all                            containers are stopped and removed first`);
}
