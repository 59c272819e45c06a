import type { Command } from 'commander';
import { BerthError } from '../../base/errors.ts';
import type { Cli } from '../cli.ts';
import { usageError } from '../failure.ts';
import { createPulled } from '../pull/create-pulled.ts';
import { createBody } from '../run/create-body.ts';
import { runInForeground } from '../run/foreground.ts';
import { describeContainer } from '../run/options.ts';
import type { ContainerFlags } from '../run/options.ts';

interface RunFlags extends ContainerFlags {
  readonly detach?: true;
  readonly rm?: true;
}

export function run(command: Command, cli: Cli): void {
  command
    .description(
      'Creates a container, starts it, shows what it prints and exits with its code (128 + n after signal n). ' +
        'Ctrl-C stops it within its grace; once more kills it.',
    )
    .option('-d, --detach', 'do not wait: print its id')
    .option('--rm', 'remove it when it has exited');
  describeContainer(command);
  command.action(async (image: string, args: readonly string[], flags: RunFlags) => {
    refuseWhatIsNotThere(flags);
    const made = await createPulled(cli, createBody(image, args, flags), flags.pull);
    if (flags.detach !== true) {
      return runInForeground(cli, made, { isRemoved: flags.rm === true });
    }
    const { client, out } = cli;
    const started = await client.containers.start(made.id);
    await (flags.json === true ? out.json(started) : out.line(started.id));
  });
}

function refuseWhatIsNotThere({ detach, rm, json, interactive }: RunFlags): void {
  if (interactive === true) {
    throw new BerthError('Unsupported', 'Cannot pass input on: -i is not there yet, use "berth exec -i"');
  }
  if (detach === true && rm === true) {
    throw new BerthError(
      'Unsupported',
      'Cannot remove it after its exit: --rm does not go with --detach yet, use "berth rm" then',
    );
  }
  if (detach !== true && json === true) {
    throw usageError('Cannot print JSON: the output belongs to the container, --json needs --detach');
  }
}
