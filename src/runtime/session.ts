import { readdirSync } from 'node:fs';
import { setTimeout as sleepFor } from 'node:timers/promises';
import type { ProcessIdentity } from '../base/process-identity.ts';
import { Pidfd, isPresent, isRunning, readStat } from '../linux/process.ts';

const PATIENCE_MS = 2_000;
const POLL_MS = 2;
const SIGKILL = 9;

/**
 * Kills all of a session and waits until it is gone. What hangs in the kernel is left behind after 2 s. A session's
 * number is its own as long as one of its processes is there; so whoever is found is of this session only if one of
 * those that were known before is still there afterwards.
 */
export async function endSession(leader: ProcessIdentity): Promise<void> {
  const { bootId } = leader;
  const end = performance.now() + PATIENCE_MS;
  for (let known = [leader]; performance.now() < end; await sleepFor(POLL_MS)) {
    const found = membersOf(leader);
    if (!known.some((identity) => isPresent(identity, bootId))) return;
    const running = found.filter((identity) => isRunning(identity, bootId));
    if (running.length === 0) return;
    for (const identity of running) {
      using pidfd = Pidfd.open(identity, bootId);
      pidfd?.signal(SIGKILL);
    }
    known = found;
  }
}

function membersOf({ bootId, pid: session }: ProcessIdentity): ProcessIdentity[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    const stat = Number.isNaN(pid) ? undefined : readStat(pid);
    return stat?.session === session ? [{ bootId, pid, startTime: stat.startTime }] : [];
  });
}
