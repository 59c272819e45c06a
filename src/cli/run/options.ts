import { Option } from 'commander';
import type { Command } from 'commander';
import { readTmpfs, readVolume } from './mounts.ts';
import type { MountRequest } from './mounts.ts';
import { readRlimit } from './rlimit.ts';
import type { Rlimit } from './rlimit.ts';
import { duration, each, oneOf, pair, refuse, signal, size, wholeNumber } from './values.ts';

/** What the options of `run` and `create` say. */
export interface ContainerFlags {
  readonly name?: string;
  readonly env?: readonly string[];
  readonly envFile?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly volume?: readonly MountRequest[];
  readonly tmpfs?: readonly MountRequest[];
  readonly network?: 'none' | 'host';
  readonly hostname?: string;
  readonly memory?: number;
  readonly memorySwap?: number;
  readonly cpus?: number;
  readonly cpuShares?: number;
  readonly cpusetCpus?: string;
  readonly pidsLimit?: number;
  readonly ulimit?: readonly Rlimit[];
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly privileged?: true;
  readonly readOnly?: true;
  /** The parser reads `--no-new-privileges` as the opposite of an option that nobody has. */
  readonly newPrivileges: boolean;
  readonly seccomp?: 'default' | 'unconfined';
  readonly pid?: 'host';
  readonly shmSize?: number;
  readonly oomScoreAdj?: number;
  readonly label?: readonly (readonly [string, string])[];
  readonly annotation?: readonly (readonly [string, string])[];
  readonly stopSignal?: string;
  readonly stopGrace?: number;
  readonly entrypoint?: string;
  readonly runtime?: string;
  readonly pull: PullPolicy;
  readonly interactive?: true;
  readonly tty?: true;
  readonly json?: true;
}

/** When an image is got from its registry. */
export type PullPolicy = 'missing' | 'always' | 'never';

const asIs = (text: string): string => text;

/** The options end at the image: what follows belongs to the command. */
export function describeContainer(command: Command): void {
  command
    .usage('[options] IMAGE [COMMAND…]')
    .argument('<image>', 'name or id of an image')
    .argument('[command...]', "replaces the image's command")
    .passThroughOptions()
    .option('--name <name>', 'what the container is called (default: a name is made up)')
    .option('-e, --env <key=value>', 'set a variable; KEY alone takes your own; repeatable', each(asIs))
    .option('--env-file <file>', 'variables from a file, one a line; repeatable', each(asIs))
    .option('-w, --workdir <dir>', "working directory (default: the image's, else /)")
    .option('-u, --user <user[:group]>', "name or number (default: the image's, else root)")
    .option('-v, --volume <src:dst[:ro]>', 'mount a path of the host; repeatable', each(readVolume))
    .option('--tmpfs <dst[:size=64M]>', 'mount a file system in memory; repeatable', each(readTmpfs))
    .option('--network <none|host>', 'network (default: none)', oneOf('--network', ['none', 'host']))
    .option('--hostname <name>', "host name (default: the container's name)")
    .option('--memory <size>', 'memory limit, like 512M (default: no limit)', size('--memory'))
    .option('--memory-swap <size>', 'limit of memory and swap together; -1: none', readMemorySwap)
    .option('--cpus <number>', "processors' worth of time, like 0.5 (default: no limit)", readCpus)
    .option('--cpu-shares <n>', 'weight against other containers', wholeNumber('--cpu-shares'))
    .option('--cpuset-cpus <list>', 'processors to run on, like 0-1,3 (default: all)')
    .option('--pids-limit <n>', 'most processes and threads (default: no limit)', wholeNumber('--pids-limit'))
    .option('--ulimit <name=soft[:hard]>', 'resource limit, like nofile=1024:4096; repeatable', each(readRlimit))
    .option('--cap-add <name>', 'add a capability, or ALL; repeatable', each(asIs))
    .option('--cap-drop <name>', 'drop a capability, or ALL; repeatable', each(asIs))
    .option('--privileged', 'all capabilities and devices, no seccomp')
    .option('--read-only', "mount the container's root read-only")
    .option('--no-new-privileges', 'no program gains privileges by its set-user-ID bit')
    .option('--seccomp <profile>', 'default or unconfined', oneOf('--seccomp', ['default', 'unconfined']))
    .option('--pid <host>', "share the host's processes (default: its own)", oneOf('--pid', ['host']))
    .option('--shm-size <size>', 'size of /dev/shm (default: 64M)', size('--shm-size'))
    .option('--oom-score-adj <n>', '-1000 to 1000: who is killed first when memory runs out', readOomScore)
    .option('-l, --label <key=value>', 'label; repeatable', each(pair('--label')))
    .option('--annotation <key=value>', 'annotation for the runtime; repeatable', each(pair('--annotation')))
    .option(
      '--stop-signal <signal>',
      "first signal of a stop (default: the image's, else TERM)",
      signal('--stop-signal'),
    )
    .option('--stop-grace <duration>', 'from that signal to SIGKILL (default: 10s)', duration('--stop-grace'))
    .option('--entrypoint <program>', "replaces the image's entrypoint; empty: none")
    .option('--runtime <handler>', "one of the daemon's runtimes (default: crun)")
    .option(
      '--pull <when>',
      'get the image from its registry: missing, always or never',
      oneOf('--pull', ['missing', 'always', 'never']),
      'missing',
    )
    .option('-i, --interactive', "keep the container's input open")
    .addOption(new Option('-t, --tty').hideHelp())
    .option('--json', 'print the container as JSON');
}

function readMemorySwap(text: string): number {
  return text === '-1' ? -1 : size('--memory-swap')(text);
}

function readCpus(text: string): number {
  const cpus = Number(text);
  return /^\d+(\.\d+)?$|^\.\d+$/.test(text) && cpus >= 0.01 ? cpus : refuse('--cpus', text, 'a number from 0.01 on');
}

function readOomScore(text: string): number {
  const score = Number(text);
  const isFit = /^-?\d+$/.test(text) && Math.abs(score) <= 1_000;
  return isFit ? score : refuse('--oom-score-adj', text, 'a whole number from -1000 to 1000');
}
