import type { Command } from 'commander';
import type { Cli } from './cli.ts';

/** Describes a command to the parser, and what it does. */
type Describe = (command: Command, cli: Cli) => void;

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  /** A command's code is read only when it is asked for. */
  readonly load: () => Promise<Describe>;
}

export interface CommandGroup {
  readonly title: string;
  readonly commands: readonly CommandEntry[];
}

export const COMMAND_GROUPS: readonly CommandGroup[] = [
  {
    title: 'Containers',
    commands: [
      entry('run', 'create a container and start it', async () => (await import('./commands/run.ts')).run),
      entry('create', 'create a container', async () => (await import('./commands/create.ts')).create),
      entry('start', 'start containers', async () => (await import('./commands/start.ts')).start),
      entry('stop', 'stop containers: signal, grace, kill', async () => (await import('./commands/stop.ts')).stop),
      entry('kill', 'send a signal to containers', async () => (await import('./commands/kill.ts')).kill),
      entry('pause', 'freeze all processes of containers', async () => (await import('./commands/pause.ts')).pause),
      entry('resume', 'let paused containers go on', async () => (await import('./commands/resume.ts')).resume),
      entry('wait', 'wait until containers have exited', async () => (await import('./commands/wait.ts')).wait),
      entry('exec', 'run a command in a container', async () => (await import('./commands/exec.ts')).exec),
      entry('rm', 'remove containers', async () => (await import('./commands/rm.ts')).rm),
    ],
  },
  {
    title: 'Looking',
    commands: [
      entry('pods', 'list the pods of kubelets', async () => (await import('./commands/pods.ts')).pods),
      entry('ps', 'list containers', async () => (await import('./commands/ps.ts')).ps),
      entry(
        'inspect',
        'show all that is known of containers',
        async () => (await import('./commands/inspect.ts')).inspect,
      ),
      entry('logs', 'show what a container printed', async () => (await import('./commands/logs.ts')).logs),
      entry('why', 'explain why a container is as it is', async () => (await import('./commands/why.ts')).why),
      entry('timeline', 'draw the life of a container', async () => (await import('./commands/timeline.ts')).timeline),
      entry('events', 'show what happened', async () => (await import('./commands/events.ts')).events),
    ],
  },
  {
    title: 'Images',
    commands: [
      entry(
        'load',
        'take in an image from an archive or a folder',
        async () => (await import('./commands/load.ts')).load,
      ),
      entry('pull', 'get an image from its registry', async () => (await import('./commands/pull.ts')).pull),
      entry('images', 'list images', async () => (await import('./commands/images.ts')).images),
      entry('rmi', 'remove names of images', async () => (await import('./commands/rmi.ts')).rmi),
      entry(
        'image',
        'image prune: remove images that nobody uses',
        async () => (await import('./commands/image.ts')).image,
      ),
    ],
  },
  {
    title: 'Daemon',
    commands: [
      entry('serve', 'run the daemon', async () => (await import('./commands/serve.ts')).serve),
      entry('doctor', 'examine host and daemon', async () => (await import('./commands/doctor.ts')).doctor),
      entry('debts', 'list what could not be cleaned yet', async () => (await import('./commands/debts.ts')).debts),
      entry('version', 'show the versions of both sides', async () => (await import('./commands/version.ts')).version),
    ],
  },
];

export function findCommand(name: string): CommandEntry | undefined {
  return COMMAND_GROUPS.flatMap(({ commands }) => commands).find((each) => each.name === name);
}

function entry(name: string, summary: string, load: () => Promise<Describe>): CommandEntry {
  return { name, summary, load };
}
