import type { ExecBody, ExecEvent } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { tell } from '../cli.ts';
import { formatDuration } from '../../base/units.ts';
import { onSignals } from '../signals.ts';
import { ExecSignals } from './exec-signals.ts';

/** Runs a command in a container as if it ran here: its streams, its signals, its exit code. */
export async function runExec(cli: Cli, container: string, body: ExecBody): Promise<void> {
  using session = await cli.client.containers.exec(container, body);
  const signals = new ExecSignals(cli, session);
  using _ = onSignals(['SIGINT', 'SIGTERM'], (signal) => signals.onSignal(signal));
  const feeding = body.hasStdin === true ? feed(session) : undefined;
  cli.exitCode = KILLED;
  try {
    for await (const line of session.output) {
      if (line.kind === 'output') {
        await (line.stream === 'stdout' ? cli.out : cli.err).write(Buffer.from(line.data, 'base64'));
      } else if (line.kind === 'exit') {
        cli.exitCode = line.code;
        await tellEnd(cli, line, body);
      }
    }
  } catch (error) {
    if (!signals.hasCut) throw error;
  } finally {
    if (feeding !== undefined) process.stdin.destroy(); // a terminal would be read for ever
    await feeding;
  }
}

/** What a command that was cut off exits with: 128 + SIGKILL. */
const KILLED = 137;

async function feed(session: { write(data: Uint8Array): Promise<void>; closeInput(): Promise<void> }): Promise<void> {
  try {
    for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) await session.write(chunk);
    await session.closeInput();
  } catch {
    await session.closeInput(); // it cannot be read any further, so it ends for the command too
  }
}

async function tellEnd(
  cli: Cli,
  end: Extract<ExecEvent, { kind: 'exit' }>,
  { timeoutMs = 0 }: ExecBody,
): Promise<void> {
  if (end.isTimedOut) await tell(cli, `The command took longer than ${formatDuration(timeoutMs)} and was killed`);
  if (end.isOutputCut) {
    await tell(cli, 'A process that the command started still holds its output: what it prints now is not shown');
  }
}
