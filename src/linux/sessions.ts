import { readdirSync } from 'node:fs';
import type { ProcessIdentity } from '../base/process-identity.ts';
import { signalNumber } from '../base/signals.ts';
import { Pidfd, readStat } from './process.ts';

const KILL = signalNumber('SIGKILL');

/**
 * SIGKILL to every process of the session that `leader` has made, also when the leader itself is gone: its number is
 * not given to another process as long as its session has a member. Who has left the session is out of reach.
 * @returns how many there were; zombies do not count
 */
export function killSession(leader: ProcessIdentity): number {
  const successor = readStat(leader.pid);
  if (successor !== undefined && successor.startTime !== leader.startTime) return 0;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => killMember(Number(name), leader)).length;
}

function killMember(pid: number, { bootId, pid: session }: ProcessIdentity): boolean {
  const stat = readStat(pid);
  if (stat?.session !== session || stat.state === 'Z') return false;
  using member = Pidfd.open({ bootId, pid, startTime: stat.startTime }, bootId);
  return member?.signal(KILL) ?? false;
}
