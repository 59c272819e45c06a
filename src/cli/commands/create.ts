import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { createBody } from '../run/create-body.ts';
import { describeContainer } from '../run/options.ts';
import type { ContainerFlags } from '../run/options.ts';

export function create(command: Command, { client, out }: Cli): void {
  command.description('Creates a container without starting it, and prints its id.');
  describeContainer(command);
  command.action(async (image: string, args: readonly string[], flags: ContainerFlags) => {
    const made = await client.containers.create(createBody(image, args, flags));
    await (flags.json === true ? out.json(made) : out.line(made.id));
  });
}
