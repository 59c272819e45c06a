import { close, connectUnix, socket, write } from './abi.ts';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;

/**
 * Tells the service manager how the daemon is: `READY=1`, `STOPPING=1`. Does nothing when nobody wants to know.
 * @param path the value of `NOTIFY_SOCKET`
 * @see sd_notify(3)
 */
export function notifyManager(path: string | undefined, state: string): void {
  if (path === undefined || path === '') return;
  const fd = socket(AF_UNIX, SOCK_DGRAM);
  try {
    connectUnix(fd, path);
    write(fd, Buffer.from(state));
  } finally {
    close(fd);
  }
}
