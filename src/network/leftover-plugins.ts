import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { BerthError } from '../base/errors.ts';
import type { ProcessIdentity } from '../base/process-identity.ts';
import { isRunning, readBootId, readStat } from '../linux/process.ts';
import { killSession } from '../linux/sessions.ts';

/** The kernel keeps this much of a program's name. */
const COMM_LENGTH = 15;
const GONE_WITHIN_MS = 2_000;

/**
 * Ends the plugins that a daemon which has died left at work for a sandbox. What they would still do would be done
 * beside the DEL that follows, or after it.
 * @param types the programs that may be at work
 * @throws BerthError DeadlineExceeded when one cannot be ended
 */
export async function endLeftoverPlugins(sandboxId: string, types: readonly string[]): Promise<void> {
  const bootId = readBootId();
  for (const leader of sessionLeaders(bootId, new Set(types.map((type) => type.slice(0, COMM_LENGTH))))) {
    if (!(await worksFor(leader.pid, sandboxId))) continue;
    killSession(leader);
    const end = performance.now() + GONE_WITHIN_MS;
    while (isRunning(leader, bootId)) {
      if (performance.now() >= end) {
        throw new BerthError(
          'DeadlineExceeded',
          `Cannot end network plugin with pid ${leader.pid}: it hangs in the kernel`,
        );
      }
      await sleepFor(5);
    }
  }
}

/** Each plugin has a session of its own. Its name is asked first: that does not wait for the process's memory. */
function sessionLeaders(bootId: string, comms: ReadonlySet<string>): ProcessIdentity[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const stat = readStat(Number(name));
      const isMeant = stat?.session === Number(name) && stat.state !== 'Z' && comms.has(stat.comm);
      return isMeant ? [{ bootId, pid: Number(name), startTime: stat.startTime }] : [];
    });
}

async function worksFor(pid: number, sandboxId: string): Promise<boolean> {
  try {
    const environment = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0');
    return environment.includes(`CNI_CONTAINERID=${sandboxId}`);
  } catch {
    return false; // it has ended
  }
}
