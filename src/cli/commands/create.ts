import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { createPulled } from '../pull/create-pulled.ts';
import { createBody } from '../run/create-body.ts';
import { describeContainer } from '../run/options.ts';
import type { ContainerFlags } from '../run/options.ts';

export function create(command: Command, cli: Cli): void {
  command.description('Creates a container without starting it, and prints its id.');
  describeContainer(command);
  command.action(async (image: string, args: readonly string[], flags: ContainerFlags) => {
    const made = await createPulled(cli, createBody(image, args, flags), flags.pull);
    await (flags.json === true ? cli.out.json(made) : cli.out.line(made.id));
  });
}
