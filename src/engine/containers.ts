import { untilAborted } from '../base/abort.ts';
import { BerthError } from '../base/errors.ts';
import type { ContainerActor } from './container/actor.ts';
import { attachToContainer, resizeContainer } from './container/attach.ts';
import type { AttachRequest, AttachSession } from './container/attach.ts';
import { createContainer } from './container/create.ts';
import type { CreateOptions, CreateParts } from './container/create.ts';
import { execInContainer } from './container/exec.ts';
import type { ExecRequest, ExecSession } from './container/exec.ts';
import { killContainer } from './container/kill.ts';
import type { KillRequest } from './container/kill.ts';
import { pauseContainer, resumeContainer } from './container/pause.ts';
import { removeContainer } from './container/remove.ts';
import type { RemoveRequest } from './container/remove.ts';
import type { ContainerRequest } from './container/spec.ts';
import { startContainer } from './container/start.ts';
import type { StartOptions } from './container/start.ts';
import { currentRun, describePhase, exitOf, isLive } from './container/state.ts';
import type { ContainerRow, ExitRecord } from './container/state.ts';
import { isOver, stopContainer } from './container/stop.ts';
import type { StopRequest, StopResult } from './container/stop.ts';
import { updateContainer } from './container/update.ts';
import type { UpdateRequest } from './container/update.ts';
import { detailsOfContainer, usageOfContainer } from './container/usage.ts';
import type { ContainerUsage } from './container/usage.ts';
import { explainContainer } from './container/why.ts';
import type { Explanation } from './container/why.ts';
import type { CpuRates } from './cpu-rates.ts';
import { runtimeOf } from './parts.ts';
import type { LogLine, LogQuery, RunDetails, SnapshotUsage, TerminalSize } from './ports.ts';
import type { EventRow } from './rows.ts';
import type { SandboxRow } from './sandbox/state.ts';

/** A container as doors see it: a snapshot that does not change any more. */
export interface ContainerView {
  readonly row: ContainerRow;
  readonly sandbox: SandboxRow;
  /** What became of it is still being found out. */
  readonly isQuarantined: boolean;
}

export interface LogOptions extends Omit<LogQuery, 'follow'> {
  /** Goes on until the run has exited and all of it was read. */
  readonly isFollowing?: boolean;
}

/** The verbs, by what people call a container: its id, its name, or a prefix of its id that fits one only. */
export class Containers {
  readonly #parts: CreateParts;
  readonly #rates: CpuRates;

  constructor(parts: CreateParts, rates: CpuRates) {
    this.#parts = parts;
    this.#rates = rates;
  }

  list(): readonly ContainerView[] {
    return this.#parts.containers
      .all()
      .filter(({ spec }) => spec.role === 'workload')
      .map(viewOf);
  }

  /** @throws BerthError NotFound; InvalidArgument when a prefix fits several */
  get(wanted: string): ContainerView {
    return viewOf(this.#parts.containers.find(wanted));
  }

  async create(request: ContainerRequest, options: CreateOptions = {}): Promise<ContainerView> {
    return viewOf(await createContainer(request, this.#parts, options));
  }

  async start(wanted: string, options: StartOptions = {}): Promise<ContainerView> {
    const actor = await this.#ready(wanted, options.signal);
    await startContainer(actor, this.#parts, options);
    return viewOf(actor);
  }

  async stop(wanted: string, request: StopRequest): Promise<StopResult> {
    return stopContainer(await this.#ready(wanted, request.signal), this.#parts, request);
  }

  async kill(wanted: string, request: KillRequest): Promise<void> {
    await killContainer(await this.#ready(wanted), this.#parts, request);
  }

  async pause(wanted: string): Promise<void> {
    await pauseContainer(await this.#ready(wanted), this.#parts);
  }

  async resume(wanted: string): Promise<void> {
    await resumeContainer(await this.#ready(wanted), this.#parts);
  }

  /** Changes its limits, of the run that lives and of those to come. */
  async update(wanted: string, request: UpdateRequest): Promise<ContainerView> {
    const actor = await this.#ready(wanted, request.signal);
    await updateContainer(actor, this.#parts, request);
    return viewOf(actor);
  }

  async remove(wanted: string, request: RemoveRequest): Promise<void> {
    const actor = await this.#ready(wanted, request.signal);
    await untilAborted(removeContainer(actor, this.#parts, request), request.signal);
  }

  async exec(wanted: string, request: ExecRequest): Promise<ExecSession> {
    return execInContainer(await this.#ready(wanted, request.signal), this.#parts, request);
  }

  async attach(wanted: string, request: AttachRequest = {}): Promise<AttachSession> {
    return attachToContainer(await this.#ready(wanted, request.signal), this.#parts, request);
  }

  /** Of its terminal. @throws BerthError WrongState when it has none, or does not run */
  async resize(wanted: string, size: TerminalSize): Promise<void> {
    await resizeContainer(await this.#ready(wanted), this.#parts, size);
  }

  /**
   * Waits for the end of the run that is going on, or answers with that of the last one.
   * @throws BerthError WrongState when it has never run; NotFound when it is removed meanwhile
   */
  async wait(wanted: string, options: { readonly signal?: AbortSignal } = {}): Promise<ExitRecord> {
    const actor = await this.#ready(wanted, options.signal);
    const run = currentRun(actor.state)?.number ?? actor.row.runs;
    if (run === 0) {
      throw new BerthError('WrongState', `Cannot wait for container "${actor.spec.name}": it was never started`);
    }
    const exit = exitOf(await actor.until((state) => isOver(state, run), options.signal));
    if (exit === undefined) {
      throw new BerthError('NotFound', `Cannot tell how run ${run} of "${actor.spec.name}" ended: a later one runs`);
    }
    return exit;
  }

  why(wanted: string): Explanation {
    return explainContainer(this.#parts.containers.find(wanted), this.#parts);
  }

  /** What happened to it, oldest first; also of one that was removed, when its whole id is given. */
  history(wanted: string): readonly EventRow[] {
    const known = this.#parts.containers.get(wanted)?.id;
    const past = this.#parts.journal.historyOf(known ?? wanted);
    return past.length > 0 ? past : this.#parts.journal.historyOf(this.#parts.containers.find(wanted).id);
  }

  logs(wanted: string, { isFollowing = false, ...query }: LogOptions): AsyncIterable<LogLine> {
    const actor = this.#parts.containers.find(wanted);
    const runtime = runtimeOf(this.#parts, actor.spec);
    const run = currentRun(actor.state);
    const follow = isFollowing && run !== undefined ? { follow: untilLogged(actor, run.number) } : {};
    return runtime.readLog(actor.spec.logPath, { ...query, ...follow });
  }

  /**
   * Resolves when the new log file is there: the old one was moved away by whoever keeps the logs.
   * @throws BerthError WrongState when it does not run, or the old file is still in place; NotFound (its folder)
   */
  async reopenLog(wanted: string): Promise<void> {
    const actor = await this.#ready(wanted);
    const { spec, state } = actor;
    if (!isLive(state)) {
      const phase = describePhase(state);
      throw new BerthError(
        'WrongState',
        `Cannot reopen the log of container "${spec.name}": it is ${phase}, must be running`,
      );
    }
    await runtimeOf(this.#parts, spec).reopenLog(actor.run(state.run.number), spec.logPath);
  }

  /** What it uses now; undefined when it does not run, or is not there any more. */
  usage(id: string): ContainerUsage | undefined {
    const actor = this.#parts.containers.get(id);
    return actor === undefined ? undefined : usageOfContainer(actor, this.#parts, this.#rates);
  }

  /** Likewise with everything that is counted of it. */
  async details(id: string): Promise<RunDetails | undefined> {
    const actor = this.#parts.containers.get(id);
    return actor === undefined ? undefined : detailsOfContainer(actor, this.#parts);
  }

  /** What they have written, by id, as it was last measured. @see Images.snapshotUsages */
  snapshotUsages(ids: readonly string[]): Promise<ReadonlyMap<string, SnapshotUsage>> {
    return this.#parts.images.snapshotUsages(ids);
  }

  async #ready(wanted: string, signal?: AbortSignal): Promise<ContainerActor> {
    const actor = this.#parts.containers.find(wanted);
    await untilAborted(actor.untilRecovered(), signal);
    return actor;
  }
}

function viewOf(actor: ContainerActor): ContainerView {
  return { row: actor.row, sandbox: actor.sandbox.row, isQuarantined: actor.isQuarantined };
}

/** Resolves when nothing more will be written to the log of the run. It never rejects. */
async function untilLogged(actor: ContainerActor, run: number): Promise<void> {
  try {
    await actor.until((state) => isOver(state, run) && exitOf(state)?.log !== 'pending');
  } catch {
    // removed: nothing more will be written either
  }
}
