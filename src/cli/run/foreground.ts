import { errorCodeOf, messageOf } from '../../base/errors.ts';
import type { ContainerAnswer } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { tell } from '../cli.ts';
import { exitCodeOf } from '../failure.ts';
import { followLog } from '../follow/log.ts';
import { persist } from '../follow/persist.ts';
import { logSink } from '../follow/sink.ts';
import { onSignals } from '../signals.ts';
import { Stopper } from './stopper.ts';

type Made = Pick<ContainerAnswer, 'id' | 'name'>;

const STOPPED_BEFORE_START = 130;

/** Starts the container, shows what it prints, and makes its exit code that of this process. */
export async function runInForeground(cli: Cli, made: Made, options: { readonly isRemoved: boolean }): Promise<void> {
  const stopper = new Stopper(cli, made);
  using _ = onSignals(['SIGINT', 'SIGTERM', 'SIGHUP'], (signal) => stopper.onSignal(signal));
  const noReader = new AbortController();
  cli.out.onGone = () => {
    noReader.abort();
    stopper.onNoReader();
  };
  const persistence = {
    client: cli.client,
    wasHeard: true,
    what: `wait for container "${made.name}"`,
    tell: (message: string) => tell(cli, message),
  };
  if (await start(cli, made, stopper)) {
    await showLog(cli, made, noReader.signal);
    const exit = await persist(persistence, () => cli.client.containers.wait(made.id));
    cli.exitCode = exit.code;
  }
  if (options.isRemoved) await persist(persistence, () => remove(cli, made));
}

/** Until its end, or for as long as somebody reads it. */
async function showLog(cli: Cli, made: Made, signal: AbortSignal): Promise<void> {
  try {
    await followLog(cli, made, { wasHeard: true, signal }, logSink(cli));
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** A start that fails has an exit code too: 127 not found, 126 not executable, 137 when it was stopped meanwhile. */
async function start(cli: Cli, { id }: Made, stopper: Stopper): Promise<boolean> {
  if (stopper.hasAsked) {
    cli.exitCode = STOPPED_BEFORE_START;
    return false;
  }
  const starting = cli.client.containers.start(id);
  stopper.startSettles(starting);
  try {
    await starting;
    return true;
  } catch (error) {
    if (errorCodeOf(error) === 'Unavailable') throw error;
    if (!stopper.hasAsked) await tell(cli, messageOf(error));
    const { exit } = await cli.client.containers.inspect(id);
    cli.exitCode = exit?.code ?? exitCodeOf(error);
    return false;
  }
}

/** Somebody else may have been faster. */
async function remove(cli: Cli, { id }: Made): Promise<void> {
  try {
    await cli.client.containers.remove(id);
  } catch (error) {
    if (errorCodeOf(error) !== 'NotFound') throw error;
  }
}
