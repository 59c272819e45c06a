import { whenAborted } from '../../base/abort.ts';
import type { Clock } from '../../base/clock.ts';
import { BerthError, messageOf } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { SignalName } from '../../base/signals.ts';
import { signalNumber } from '../../base/signals.ts';
import { detach } from '../detach.ts';
import type { EngineParts } from '../parts.ts';
import { runtimeOf } from '../parts.ts';
import type { ExecPlan, ExecProcess, OutputChunk, TerminalSize } from '../ports.ts';
import type { ExecRow } from '../rows.ts';
import type { ContainerActor } from './actor.ts';
import type { Requester } from './spec.ts';
import { describePhase } from './state.ts';

export interface ExecRequest {
  readonly args: readonly string[];
  /** Beside the container's own. */
  readonly env?: readonly string[];
  readonly cwd?: string;
  /** Left out: the container's own. */
  readonly user?: string;
  readonly hasStdin?: boolean;
  /** Its streams are a terminal, all of whose output is stdout. It hangs up when the caller goes away. */
  readonly hasTerminal?: boolean;
  /** Of the terminal. */
  readonly size?: TerminalSize;
  /** ms after which it and all that it started are killed. */
  readonly timeoutMs?: number;
  readonly onDaemonEnd?: ExecRow['onDaemonEnd'];
  readonly requester: Requester;
  /** Kills it: nobody is left who wants its output. */
  readonly signal?: AbortSignal;
}

/** A command that runs in a container. */
export interface ExecSession {
  readonly id: string;
  /** Ends ≤ 2 s after the command, even when a child of it keeps the pipe open. */
  readonly output: AsyncIterable<OutputChunk>;
  write(data: Uint8Array): Promise<void>;
  /** On a terminal it types what ends the input there, Ctrl-D as a rule. */
  closeInput(): void;
  /** Without a terminal it does nothing. */
  resize(size: TerminalSize): void;
  kill(signal: SignalName): boolean;
  readonly ended: Promise<ExecEnd>;
}

export interface ExecEnd {
  readonly code: number;
  readonly isTimedOut: boolean;
  /** A child kept the pipe, so what it printed later is not in the output. */
  readonly isOutputCut: boolean;
}

/**
 * Runs a command in a running container.
 * @throws BerthError WrongState when it does not run or is paused; InvalidArgument when the command cannot be run
 */
export async function execInContainer(
  actor: ContainerActor,
  parts: EngineParts,
  request: ExecRequest,
): Promise<ExecSession> {
  if (request.args.length === 0) {
    throw new BerthError('InvalidArgument', 'Cannot run a command: args is empty, must name a program', {
      field: 'args',
    });
  }
  const { state, spec } = actor;
  if (state.phase !== 'running') {
    const phase = describePhase(state);
    throw new BerthError(
      'WrongState',
      `Cannot run a command in container "${spec.name}": it is ${phase}, must be running`,
    );
  }
  if (actor.sandbox.state.phase === 'stopping') {
    throw new BerthError(
      'WrongState',
      `Cannot run a command in container "${spec.name}": its sandbox is being stopped`,
    );
  }
  const { number } = state.run;
  const plan = await planOf(actor, parts, request);
  const row: ExecRow = {
    id: plan.id,
    containerId: actor.id,
    run: number,
    args: request.args,
    startedAt: parts.clock.wall(),
    onDaemonEnd: request.onDaemonEnd ?? 'keep',
  };
  parts.journal.record({ execs: [row] }, []);
  const over = AbortSignal.any([actor.runOver.signal, ...(request.signal === undefined ? [] : [request.signal])]);
  try {
    const process = await runtimeOf(parts, spec).exec(actor.run(number), plan, over);
    return follow(actor, parts, { row: { ...row, identity: process.identity }, request, process });
  } catch (error) {
    parts.journal.record({ removed: { execs: [row.id] } }, []);
    throw error;
  }
}

async function planOf(actor: ContainerActor, parts: EngineParts, request: ExecRequest): Promise<ExecPlan> {
  const { process } = actor.spec;
  const user =
    request.user === undefined
      ? process.user
      : await runtimeOf(parts, actor.spec).findUser(actor.run(actor.row.runs), request.user);
  const home = request.user === undefined ? [] : [`HOME=${user.home}`];
  const env = [...process.env, ...home, ...(request.env ?? [])];
  const hasTerminal = request.hasTerminal ?? false;
  const needsTerm = hasTerminal && !env.some((entry) => entry.startsWith('TERM='));
  return {
    id: newId(),
    args: request.args,
    env: needsTerm ? [...env, 'TERM=xterm'] : env,
    cwd: request.cwd ?? process.cwd,
    user,
    hasStdin: request.hasStdin ?? false,
    hasTerminal,
    size: request.size,
  };
}

interface Running {
  readonly row: ExecRow;
  readonly request: ExecRequest;
  readonly process: ExecProcess;
}

function follow(actor: ContainerActor, parts: EngineParts, running: Running): ExecSession {
  const { row, request, process } = running;
  const by = { exec: row.id, requester: request.requester };
  const common = { container: actor.id, sandbox: actor.spec.sandboxId, run: row.run };
  parts.journal.record({ execs: [row] }, [{ ...common, type: 'exec.started', body: { ...by, args: row.args } }]);
  // The caller may have gone away just when the command had begun.
  const leaving = whenAborted(request.signal, () =>
    detach(
      parts.log,
      'exec',
      endExec(parts, process, () => process.abandon()),
    ),
  );
  const ended = untilEnded(parts.clock, request, process, () => endExec(parts, process, () => process.kill()));
  const telling = ended
    .then((end) =>
      parts.journal.record({ removed: { execs: [row.id] } }, [
        { ...common, type: 'exec.ended', body: { ...by, ...end } },
      ]),
    )
    .finally(() => leaving[Symbol.dispose]());
  detach(parts.log, 'exec', telling);
  return {
    id: row.id,
    output: process.output,
    write: (data) => process.write(data),
    closeInput: () => process.closeInput(),
    resize: (size) => process.resize(size),
    kill: (signal) => process.signal(signalNumber(signal)),
    ended,
  };
}

async function untilEnded(
  clock: Clock,
  { timeoutMs }: ExecRequest,
  process: ExecProcess,
  kill: () => Promise<void>,
): Promise<ExecEnd> {
  const over = new AbortController();
  let isTimedOut = false;
  if (timeoutMs !== undefined) {
    void clock.sleep(timeoutMs, over.signal).then(() => {
      if (over.signal.aborted) return;
      isTimedOut = true;
      return kill();
    });
  }
  const end = await process.ended;
  over.abort();
  return { ...end, isTimedOut };
}

async function endExec(parts: EngineParts, process: ExecProcess, end: () => Promise<void>): Promise<void> {
  try {
    await end();
  } catch (error) {
    parts.log.error('exec could not be killed', { pid: process.identity.pid, error: messageOf(error) });
  }
}
