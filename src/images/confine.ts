import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { abortError } from '../base/abort.ts';
import { BerthError, asError, messageOf } from '../base/errors.ts';
import type { Children } from '../linux/children.ts';

export interface ConfinedOrder {
  /** An empty folder: what the process gets as its root is mounted there, for nobody else to see. */
  readonly rootFolder: string;
  /** All of the host that it can write to: its `/layer`. */
  readonly layer: string;
  readonly command: readonly string[];
  readonly signal: AbortSignal;
  /** Writes its input, until `over` aborts. What this throws ends the process, and is what the caller gets. */
  readonly feed?: (input: Writable, over: AbortSignal) => Promise<void>;
  /** What this throws does the same. */
  readonly onOutput: (chunk: Buffer) => void;
}

export interface ConfinedResult {
  readonly code: number;
  readonly stderr: string;
}

/** Of what a process complains about, the beginning tells the reason. */
const STDERR_LIMIT_BYTES = 16 << 10;
/** On a disk that is almost full tar tells of the last write, which was short, and not of why. */
const NO_SPACE = /No space left on device|Disk quota exceeded|Wrote only \d+ of/;
const NO_MEMORY = /[Mm]emory exhausted/;

/**
 * Arguments: 1 folder for the new root, 2 the layer, then the command.
 *
 * The process sees the host's programs, read-only, and the layer, where devices and setuid files can be made but not
 * used. Most systems have /bin and /lib as links into /usr, some as folders. The limit on memory is for what an archive
 * can make tar remember. The capabilities are those that it takes to make files of any kind for any owner; without
 * CAP_SYS_ADMIN no attribute can be set that overlay would take as its own.
 */
const SCRIPT = `
set -e
root=$1 layer=$2
shift 2
umask 022
ulimit -v 2097152
mount -t tmpfs -o mode=0755,size=64k berth "$root"
links=
for folder in /usr /bin /sbin /lib*; do
  if [ -L "$folder" ]; then
    links="$links $folder"
  elif [ -d "$folder" ]; then
    mkdir "$root$folder"
    mount -o bind,ro,nosuid,nodev "$folder" "$root$folder"
  fi
done
[ -z "$links" ] || cp -P $links "$root"
mkdir "$root/layer"
mount -o bind,nosuid,nodev,noexec "$layer" "$root/layer"
exec chroot "$root" setpriv --no-new-privs --inh-caps -all \\
  --bounding-set -all,+chown,+dac_override,+fowner,+fsetid,+mknod,+setfcap -- "$@"
`;

/** It dies with the daemon: unshare when its parent does, the process in the namespaces when unshare does. */
const UNSHARE = ['--mount', '--propagation', 'private', '--net', '--ipc', '--pid', '--kill-child'];

/**
 * Runs a program that may be fed by an enemy: whatever it does, it can reach nothing but the layer's folder.
 * @returns any exit code
 * @throws BerthError ResourceExhausted when the disk is full; Cancelled; Internal when the confinement cannot be made
 */
export async function runConfined(children: Children, order: ConfinedOrder): Promise<ConfinedResult> {
  const script = ['sh', '-c', SCRIPT, 'berth-confine', order.rootFolder, order.layer, ...order.command];
  const child = children.spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'unshare', ...UNSHARE, '--', ...script], {
    stdio: [order.feed === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  const over = new AbortController();
  const end = (reason: unknown): void => {
    over.abort(asError(reason));
    child.kill('SIGKILL');
  };
  const onAbort = (): void => end(abortError(order.signal));
  order.signal.addEventListener('abort', onAbort, { once: true });
  if (order.signal.aborted) onAbort();

  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    if (stderr.length < STDERR_LIMIT_BYTES) stderr += chunk.toString('utf8');
    if (NO_SPACE.test(stderr)) end(outOf('the disk is full', stderr));
    else if (NO_MEMORY.test(stderr)) end(outOf('it takes too much memory', stderr));
  });
  child.stdout?.on('data', (chunk: Buffer) => {
    try {
      order.onOutput(chunk);
    } catch (error) {
      end(error);
    }
  });
  try {
    const closed = once(child, 'close') as Promise<[code: number | null]>;
    const [[code]] = await Promise.all([closed, feed(child.stdin, order, over.signal).catch(end)]);
    over.signal.throwIfAborted();
    if (code === null) throw new BerthError('Internal', 'Cannot unpack layer: the process for it was killed');
    if (code !== 0 && !stderr.startsWith(`${order.command[0] ?? ''}: `)) throw notConfined(firstLine(stderr));
    return { code, stderr };
  } catch (error) {
    if (child.pid !== undefined) throw error;
    end(error);
    throw notConfined(messageOf(error));
  } finally {
    order.signal.removeEventListener('abort', onAbort);
  }
}

async function feed(input: Writable | null, order: ConfinedOrder, over: AbortSignal): Promise<void> {
  if (input === null || order.feed === undefined) return;
  input.on('error', () => undefined); // it may end without having read everything
  await order.feed(input, over);
  input.end();
}

function outOf(what: string, stderr: string): BerthError {
  return new BerthError('ResourceExhausted', `Cannot unpack layer: ${what}: ${firstLine(stderr)}`);
}

function firstLine(stderr: string): string {
  return stderr.split('\n')[0] ?? '';
}

function notConfined(reason: string): BerthError {
  return new BerthError('Internal', `Cannot unpack layer: the process for it cannot be confined: ${reason}`);
}
