import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { followLog } from '../follow/log.ts';
import { logSink } from '../follow/sink.ts';
import { refuse, wholeNumber } from '../run/values.ts';
import { parseDuration } from '../../base/units.ts';

interface LogFlags {
  readonly follow?: true;
  readonly tail?: number;
  readonly since?: number;
  readonly timestamps?: true;
}

export function logs(command: Command, cli: Cli): void {
  command
    .description('Shows what a container printed, byte for byte, each stream on its own.')
    .usage('[options] NAME')
    .argument('<name>', 'name or id')
    .option('-f, --follow', 'go on until it has exited, also across a restart of the daemon')
    .option('--tail <n>', 'only the last lines (default: all)', wholeNumber('--tail'))
    .option('--since <time>', 'only from then on: 10m ago as "10m", or a time like 2026-11-20T17:45', readSince)
    .option('-t, --timestamps', 'put the time before each line')
    .action((name: string, flags: LogFlags) => show(cli, name, flags));
}

async function show(cli: Cli, name: string, { follow, tail, since, timestamps }: LogFlags): Promise<void> {
  const options = { ...(tail === undefined ? {} : { tail }), ...(since === undefined ? {} : { since }) };
  const take = logSink(cli, timestamps === true);
  if (follow === true) return followLog(cli, { id: name, name }, options, take);
  for await (const record of cli.client.containers.logs(name, options)) await take(record);
}

/** Unix ms of a time, or of a duration before now. */
function readSince(text: string): number {
  const isTime = /^\d{4}-\d\d-\d\d/.test(text);
  if (!isTime) return Date.now() - parseDuration(text, '--since');
  const time = Date.parse(text);
  return Number.isNaN(time) ? refuse('--since', text, 'a duration like 10m or a time like 2026-11-20T17:45') : time;
}
