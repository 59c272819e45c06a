import type { InterfaceUsage, Traffic } from '../base/usage.ts';

const LOOPBACK = 'lo';

/**
 * What the interfaces of a network namespace have transferred, without its loopback.
 * @param text of /proc/net/dev: two lines of titles; then a name, eight numbers received and eight sent
 * @see proc_pid_net(5); kernel net/core/net-procfs.c
 */
export function parseNetworkDevices(text: string): InterfaceUsage[] {
  return text
    .split('\n')
    .slice(2)
    .filter((line) => line.includes(':'))
    .map((line): InterfaceUsage => {
      const end = line.lastIndexOf(':'); // a name may have one too
      const numbers = line
        .slice(end + 1)
        .trim()
        .split(/\s+/)
        .map(Number);
      return { name: line.slice(0, end).trim(), received: traffic(numbers, 0), sent: traffic(numbers, 8) };
    })
    .filter(({ name }) => name !== LOOPBACK);
}

function traffic(numbers: readonly number[], from: number): Traffic {
  const [bytes = 0, packets = 0, errors = 0, dropped = 0] = numbers.slice(from, from + 4);
  return { bytes, packets, errors, dropped };
}
