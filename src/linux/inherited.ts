import { readdirSync } from 'node:fs';
import { libc } from './abi.ts';

const fcntlCall = libc.func('int fcntl(int fd, int command, long argument)');
const F_SETFD = 2;
const FD_CLOEXEC = 1;

/**
 * Keeps from this process's children what it was started with itself, beside its standard streams. A shell's pipe that
 * went on to a monitor would be open for as long as the container runs. Node does it for low numbers only.
 */
export function keepInheritedDescriptors(): void {
  for (const fd of readdirSync('/proc/self/fd').map(Number)) if (fd > 2) fcntlCall(fd, F_SETFD, FD_CLOEXEC);
}
