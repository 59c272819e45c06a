import { release } from 'node:os';
import type { Finding } from './finding.ts';
import { error, ok, warning } from './finding.ts';

const OLDEST_KERNEL = [5, 14] as const;

export function examineHost(uid = process.getuid?.(), kernel = release()): Finding[] {
  return [examineUser(uid), examineKernel(kernel)];
}

function examineUser(uid: number | undefined): Finding {
  if (uid === 0) return ok('You are root, as the daemon must be');
  return warning('You are not root: not everything can be examined', 'run "berth doctor" as root');
}

/** 5.14 is the first one with `cgroup.kill`. */
function examineKernel(kernel: string): Finding {
  const [major = 0, minor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10));
  const [oldestMajor, oldestMinor] = OLDEST_KERNEL;
  const isFit = major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
  if (isFit) return ok(`Kernel ${kernel}`);
  return error(`Kernel ${kernel} is too old`, `boot one from ${OLDEST_KERNEL.join('.')} on`);
}
