import { readFileSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { BerthError, isMissing, messageOf } from '../base/errors.ts';
import type { KillDescriptors } from '../linux/cgroup.ts';
import type { Children } from '../linux/children.ts';
import { Pidfd, identify, isRunning, readStat } from '../linux/process.ts';
import type { ProcessIdentity } from '../base/process-identity.ts';

/**
 * A guard keeps the promise of a stop when nobody else is left: it kills the container's cgroup at `killAt`, and if the
 * daemon dies while the container is frozen for the signal, it notes whether the signal was sent and thaws. It is one
 * small shell in its own session; its descriptors were opened when it was armed, so it cannot touch a successor run.
 */
export interface Guard {
  readonly identity: ProcessIdentity;
  /** From here on the container may be frozen: a guard that loses the daemon now repairs. */
  openWindow(): void;
  closeWindow(): void;
  /** Resolves when no process of the guard is left. */
  cancel(): Promise<void>;
}

export interface GuardOrder {
  /** Where recovery finds the guard, and what it has to say. */
  readonly runFolder: string;
  /** Boottime in ms; undefined: never, the guard is only for the window. */
  readonly killAt: number | undefined;
  readonly init: ProcessIdentity;
  /** The stop signal, whose pending bit is the verdict. */
  readonly signal: number;
  readonly descriptors: KillDescriptors;
}

/** Whether the stop signal had been sent when the daemon died inside the window. */
export type Verdict = 'sent' | 'unsent';

const MARK = 'berth-guard';
const LIST_FILE = 'guards';
const VERDICT_FILE = 'guard-verdict';
const FIRED_FILE = 'guard-fired';
const ARM_WITHIN_MS = 5_000;

/**
 * Arguments: 1 run folder, 2 killAt in 1/100 s of uptime or nothing, 3 pid, 4 its start time, 5 one `?` for each digit
 * of the pending mask before the signal's, 6 the digits that have the signal's bit.
 * Descriptors: 3 the line from the daemon, 4 cgroup.kill, 5 v1 freezer.state, 6 cgroup.freeze, 7 v1 cgroup.procs;
 * /dev/null stands for what the host does not have.
 *
 * Only a host without a v2 tree gives a list of processes in 7. Opening it anew rewinds it, and still means this very
 * cgroup; frozen processes cannot exit, so no number in it can come to mean another process.
 *
 * The first verdict stands: a second guard that loses its daemon too sees only what became of the signal since.
 *
 * It sleeps in slices and compares with /proc/uptime, because a timer does not count the time that a machine is
 * suspended. The line ends when the daemon is gone, however it went.
 */
const SCRIPT = `
folder=$1 killAt=$2 pid=$3 start=$4 before=$5 digits=$6
same() {
  stat=
  while read -r line; do stat="$stat $line"; done <"/proc/$pid/stat" || return 1
  set -- \${stat##*) }
  [ "\${20}" = "$start" ]
}
pending() {
  while read -r key mask; do
    case $key in SigPnd:|ShdPnd:)
      mask=\${mask#$before}
      case $mask in [$digits]*) return 0 ;; esac ;;
    esac
  done <"/proc/$pid/status"
  return 1
}
(
  while read -r word; do window=$word; done <&3
  [ "$window" = open ] || exit 0
  verdict=unsent
  same && pending && verdict=sent
  set -C
  echo $verdict >"$folder/${VERDICT_FILE}"
  echo 0 >&6
  echo THAWED >&5
) &
exec 3<&-
read -r stat </proc/$$/stat
set -- \${stat##*) }
echo "$$ \${20}" >>"$folder/${LIST_FILE}"
echo armed
[ -n "$killAt" ] || { wait; exit 0; }
while read -r up rest </proc/uptime; left=$((killAt - \${up%.*}\${up#*.})); [ $left -gt 0 ]; do
  slice=$((left > 200 ? left / 2 : left))
  [ $slice -le 1000 ] || slice=1000
  hundredths=$((slice % 100))
  [ $hundredths -gt 9 ] || hundredths=0$hundredths
  sleep $((slice / 100)).$hundredths
done
echo "$up" >"$folder/${FIRED_FILE}"
echo 1 >&4
echo THAWED >&5
while read -r victim </proc/self/fd/7; do
  echo FROZEN >&5
  while read -r victim; do kill -9 "$victim"; done </proc/self/fd/7
  echo THAWED >&5
  sleep 0.02
done
`;

export async function armGuard(children: Children, bootId: string, order: GuardOrder): Promise<Guard> {
  const { kill, freezer, freeze, procs } = order.descriptors;
  const child = children.spawn('/bin/sh', ['-c', SCRIPT, MARK, ...argumentsOf(order)], {
    stdio: [
      'ignore',
      'pipe',
      'ignore',
      'pipe',
      kill ?? 'ignore',
      freezer ?? 'ignore',
      freeze ?? 'ignore',
      procs ?? 'ignore',
    ],
    detached: true,
  });
  const line = child.stdio[3] as Writable;
  line.on('error', () => undefined); // its reader is gone: so is the guard, which cancel() sees
  const { stdout } = child;
  try {
    if (stdout === null) throw new Error('it has no output');
    const armed = await saysArmed(stdout);
    const identity = armed && child.pid !== undefined ? identify(bootId, child.pid) : undefined;
    if (identity === undefined) throw new Error('it did not say that it is armed');
    child.unref();
    stdout.destroy();
    return {
      identity,
      openWindow: () => void line.write('open\n'),
      closeWindow: () => void line.write('closed\n'),
      cancel: async () => {
        await cancelGuard(identity, bootId); // before its line ends, which it would take for the daemon's end
        line.destroy();
      },
    };
  } catch (error) {
    child.kill('SIGKILL');
    line.destroy();
    throw new BerthError('Unavailable', `Cannot arm the guard of a stop: ${messageOf(error)}`, { cause: error });
  }
}

async function saysArmed(output: Readable): Promise<boolean> {
  const gone = new AbortController();
  output.once('close', () => gone.abort());
  const over = AbortSignal.any([gone.signal, AbortSignal.timeout(ARM_WITHIN_MS)]);
  try {
    const [said] = (await once(output, 'data', { signal: over })) as [Buffer];
    return said.toString() === 'armed\n';
  } catch {
    return false; // it took too long, or it ended without a word
  }
}

function argumentsOf({ runFolder, killAt, init, signal }: GuardOrder): string[] {
  const digit = Math.floor((signal - 1) / 4);
  const bit = 1 << ((signal - 1) % 4);
  const digits = '0123456789abcdef'
    .split('')
    .filter((hex) => (Number.parseInt(hex, 16) & bit) !== 0)
    .join('');
  const killAtHundredths = killAt === undefined ? '' : String(Math.round(killAt / 10));
  return [runFolder, killAtHundredths, String(init.pid), String(init.startTime), '?'.repeat(15 - digit), digits];
}

/** The guards of a run that still are there, whoever armed them: each adds itself to a list before it says so. */
export function findGuards(runFolder: string, bootId: string): ProcessIdentity[] {
  return (readNote(`${runFolder}/${LIST_FILE}`) ?? '')
    .split('\n')
    .map((line) => line.split(' ').map(Number))
    .map(([pid = 0, startTime = 0]) => ({ bootId, pid, startTime }))
    .filter((guard) => isRunning(guard, bootId));
}

/** Ends a guard with its helpers, and resolves when none of them can write any more. */
export async function cancelGuard(identity: ProcessIdentity, bootId: string): Promise<void> {
  const family = [identity, ...childrenOf(identity, bootId)];
  for (const member of family) {
    using pidfd = Pidfd.open(member, bootId);
    pidfd?.signal(9);
  }
  while (family.some((member) => isRunning(member, bootId))) await sleepFor(1);
}

/** Its subshell and its sleep. They have no children of their own. */
function childrenOf(parent: ProcessIdentity, bootId: string): ProcessIdentity[] {
  if (!isRunning(parent, bootId)) return [];
  let list: string;
  try {
    list = readFileSync(`/proc/${parent.pid}/task/${parent.pid}/children`, 'utf8');
  } catch {
    return []; // it has ended in the meantime
  }
  return list
    .split(' ')
    .map(Number)
    .filter((pid) => pid > 0 && readStat(pid)?.parent === parent.pid)
    .map((pid) => identify(bootId, pid))
    .filter((child) => child !== undefined);
}

/** What a guard that lost its daemon inside the window found out. */
export function readVerdict(runFolder: string): Verdict | undefined {
  const text = readNote(`${runFolder}/${VERDICT_FILE}`);
  return text === 'sent' || text === 'unsent' ? text : undefined; // cut off: it died before it could thaw as well
}

export function forgetVerdict(runFolder: string): void {
  rmSync(`${runFolder}/${VERDICT_FILE}`, { force: true });
}

/** When the guard killed the container: boottime in ms. */
export function readFired(runFolder: string): number | undefined {
  const uptime = Number(readNote(`${runFolder}/${FIRED_FILE}`));
  return uptime > 0 ? uptime * 1_000 : undefined;
}

function readNote(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
