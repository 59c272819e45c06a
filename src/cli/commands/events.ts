import type { Command } from 'commander';
import { shortId } from '../../base/ids.ts';
import { BerthError, errorCodeOf, messageOf } from '../../base/errors.ts';
import type { EventLine } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { neutralise } from '../print/neutral.ts';
import { dayOf, timeOfDay } from '../print/time.ts';
import { wholeNumber } from '../run/values.ts';
import { describeEvent } from '../timeline/words.ts';

interface EventFlags {
  readonly follow?: true;
  readonly after?: number;
  readonly container?: string;
  readonly json?: true;
}

export function events(command: Command, cli: Cli): void {
  command
    .description('Shows what happened, oldest first; events have numbers without gaps.')
    .usage('[options]')
    .option('-f, --follow', 'go on with what happens; without --after, only that')
    .option('--after <n>', 'only events after this number (default: all that are kept)', wholeNumber('--after'))
    .option('--container <name>', 'only those of one container')
    .option('--json', 'print them as JSON, one a line')
    .action((flags: EventFlags) => show(cli, flags));
}

async function show({ client, out }: Cli, { follow, after, container, json }: EventFlags): Promise<void> {
  let last: number | undefined;
  try {
    const options = {
      isFollowing: follow === true,
      ...(after === undefined ? {} : { after }),
      ...(container === undefined ? {} : { container }),
    };
    for await (const event of client.events(options)) {
      await (json === true ? out.jsonLine(event) : out.line(lineOf(event)));
      last = event.n;
    }
  } catch (error) {
    if (follow !== true || last === undefined || errorCodeOf(error) !== 'Unavailable') throw error;
    const message = `${messageOf(error)}; nothing is lost: go on with "berth events -f --after ${last}"`;
    throw new BerthError('Unavailable', message, { cause: error });
  }
}

function lineOf(event: EventLine): string {
  const { n, time, container = '' } = event;
  const when = `${dayOf(time)} ${timeOfDay(time)}`;
  return neutralise(`${n}  ${when}  ${shortId(container).padEnd(12)}  ${describeEvent(event)}`);
}
