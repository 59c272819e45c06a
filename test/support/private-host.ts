/**
 * Imported first by a test file, it gives that file's process a host of its own: a network namespace, and a mount
 * namespace with empty /run and /var/lib. There is one other machine, `outside`, at the end of a cable, which is also
 * the way to the rest of the world. All of it ends with the process.
 */
import { execFile, execFileSync } from 'node:child_process';
import process from 'node:process';
import { promisify } from 'node:util';

const SET_UP = `
set -e
for fd in /proc/self/fd/*; do # what whoever started this has left open is none of a test's
  if [ "\${fd##*/}" -gt 2 ]; then eval "exec \${fd##*/}>&-"; fi
done
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mkdir -p /run/netns
ip link set lo up
ip netns add outside
ip link add cable type veth peer name cable netns outside
ip address add 192.168.77.1/24 dev cable
ip address add fd77::1/64 dev cable nodad
ip link set cable up
ip -n outside address add 192.168.77.2/24 dev cable
ip -n outside address add fd77::2/64 dev cable nodad
ip -n outside link set cable up
ip -n outside link set lo up
ip route add default via 192.168.77.2
ip route add default via fd77::2
exec "$@"
`;

if (process.env['BERTH_PRIVATE_HOST'] === undefined) {
  const node = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const args = ['unshare', '--net', '--mount', '--propagation', 'private', 'bash', '-c', SET_UP, 'bash', ...node];
  const path = '/usr/sbin:/usr/bin:/sbin:/bin';
  process.execve?.('/usr/bin/unshare', args, { ...process.env, PATH: path, BERTH_PRIVATE_HOST: '1' });
}

export const HOST = { 4: '192.168.77.1', 6: 'fd77::1' } as const;
export const OUTSIDE = { 4: '192.168.77.2', 6: 'fd77::2', netns: '/run/netns/outside' } as const;

/** Runs a shell command on the private host. */
export function sh(command: string): string {
  return execFileSync('sh', ['-c', command], { encoding: 'utf8' });
}

export interface Question {
  /** The network namespace that it comes from; left out: the host's. */
  readonly from?: string;
  readonly to: string;
  readonly port: number;
  readonly protocol?: 'tcp' | 'udp';
}

/** What a server that was started with `answer` says: the address that the question came from. */
export async function ask({ from, to, port, protocol = 'tcp' }: Question): Promise<string> {
  const script = `exec 3<>/dev/${protocol}/${to}/${port} && echo question >&3 && head -n 1 <&3`;
  const bash = ['3', 'bash', '-c', script];
  try {
    const { stdout } = await (from === undefined
      ? promisify(execFile)('timeout', bash)
      : promisify(execFile)('nsenter', [`--net=${from}`, 'timeout', ...bash]));
    return stdout.trim();
  } catch (error) {
    const { stderr } = error as { readonly stderr: string };
    return stderr.includes('refused') ? 'refused' : stderr.includes('unreachable') ? 'unreachable' : 'no answer';
  }
}
