import type { ProcessIdentity } from '../../src/base/process-identity.ts';
import { BerthError } from '../../src/base/errors.ts';
import { imageVolumesOf } from '../../src/engine/container/spec.ts';
import { runtimeIdOf } from '../../src/engine/container/state.ts';
import type { ContainerRow, RunProcesses } from '../../src/engine/container/state.ts';
import type {
  AttachOptions,
  AttachStream,
  CleanStep,
  ExecProcess,
  FrozenBy,
  Guard,
  GuardOrder,
  LogLine,
  PreparedRun,
  Resolved,
  ResolveRequest,
  RunDetails,
  RunDiagnosis,
  RunObservation,
  RunPlan,
  RunRef,
  Runtime,
  RunUsage,
  RunWatch,
  SignalView,
  StartFailure,
  TerminalSize,
} from '../../src/engine/ports.ts';
import { fakeCleanSteps } from './fake-clean.ts';
import type { FakeGuard, FakeHost, FakeRun } from './fake-host.ts';
import type { Power } from './power.ts';

/** The port Runtime on a host that exists in memory only. */
export class FakeRuntime implements Runtime {
  readonly handler = 'crun';
  readonly init = 'process';
  readonly counters = { pressure: false, hugepages: false, mostHugepages: false, mostMemory: false };
  readonly #host: FakeHost;
  readonly #power: Power;
  readonly #ownGuards = new Set<FakeGuard>();

  constructor(host: FakeHost, power: Power) {
    this.#host = host;
    this.#power = power;
  }

  resolve({ mounts }: ResolveRequest): Promise<Resolved> {
    const user = { uid: 0, gid: 0, additionalGids: [], home: '/root' };
    return this.#slow(() => ({ user, mounts }));
  }

  findInit(): Promise<string> {
    return this.#slow(() => '/init');
  }

  prepare({ run, row, sandbox, pidOf }: RunPlan): Promise<PreparedRun> {
    return this.#slow(() => {
      this.#host.runs.set(idOf(run), {
        file: { version: 1, row, sandbox, cgroupPath: `/berth/${run.containerId}` },
        process: undefined,
        streams: undefined,
        monitor: undefined,
        isKnownToRuntime: false,
        isMounted: false,
        exitFile: undefined,
        verdict: undefined,
        guardFiredAt: undefined,
        guards: [],
        pidOf,
      });
      const volumes = imageVolumesOf(row.spec).map((_, index) => `/run/${idOf(run)}/volumes/${index}`);
      return { rootfs: `/run/${idOf(run)}/rootfs`, volumes };
    });
  }

  create(run: RunRef, signal: AbortSignal): Promise<RunProcesses | StartFailure> {
    return this.#slow(() => {
      if (signal.aborted) throw new BerthError('Cancelled', 'aborted');
      const made = this.#need(run);
      this.#host.spawn(made, run.containerId);
      const { process, monitor } = made;
      if (process === undefined || monitor === undefined) throw new Error('not spawned');
      const failure = process.program.startFailure;
      if (failure === undefined) return { init: process.identity, monitor: monitor.identity };
      process.signal(9);
      return failure;
    });
  }

  release(run: RunRef): Promise<void> {
    return this.#slow(() => this.#need(run).process?.release());
  }

  isAlive(identity: ProcessIdentity): boolean {
    return this.#host.find(identity)?.isAlive ?? false;
  }

  watch(run: RunRef): RunWatch {
    const { process, monitor } = this.#need(run);
    const made = this.#host.runs.get(idOf(run));
    const at = (): number => this.#host.clock.now();
    return {
      initEnded: this.#power.live(async () => {
        const exit = await process?.ended;
        return { at: at(), wait: exit };
      }),
      monitorEnded: this.#power.live(async () => {
        await monitor?.ended;
      }),
      readExitFile: () => this.#power.live(() => Promise.resolve(made?.exitFile)),
      [Symbol.dispose]: () => undefined,
    };
  }

  async freeze(run: RunRef): Promise<boolean> {
    return this.#slow(() => this.#runOf(run)?.process?.freeze() ?? false);
  }

  thaw(run: RunRef): void {
    this.#power.need();
    this.#runOf(run)?.process?.thaw();
  }

  frozenBy(run: RunRef): FrozenBy {
    this.#power.need();
    return this.#runOf(run)?.process?.isFrozen === true ? 'itself' : 'nobody';
  }

  signal(_run: RunRef, init: ProcessIdentity, signal: number): boolean {
    this.#power.need();
    return this.#host.find(init)?.signal(signal) ?? false;
  }

  signalOthers(): number {
    return 0;
  }

  viewSignal(init: ProcessIdentity, signal: number): SignalView | undefined {
    this.#power.need();
    const process = this.#host.find(init);
    if (process?.isAlive !== true) return undefined;
    return { isPending: process.pending.has(signal), disposition: process.hasHandler ? 'caught' : 'default' };
  }

  killAll(run: RunRef): void {
    this.#power.need();
    this.#runOf(run)?.process?.signal(9);
  }

  killMonitor(monitor: ProcessIdentity): void {
    this.#power.need();
    for (const run of this.#host.runs.values()) if (run.monitor?.identity.pid === monitor.pid) run.monitor.end();
  }

  async armGuard(run: RunRef, { killAt, init, signal }: GuardOrder): Promise<Guard> {
    return this.#slow(() => {
      const made = this.#need(run);
      const guard: FakeGuard = { isArmed: true, isWindowOpen: false };
      made.guards.push(guard);
      this.#ownGuards.add(guard);
      if (killAt !== undefined) this.#host.clock.after(killAt - this.#host.clock.now(), () => fire(made, guard));
      this.#power.onCut(() => this.#loseDaemon(made, guard, init, signal));
      return {
        openWindow: () => (guard.isWindowOpen = true),
        closeWindow: () => (guard.isWindowOpen = false),
        cancel: () => this.#slow(() => drop(made, guard)),
      };
    });

    function fire(made: FakeRun, guard: FakeGuard): void {
      if (!guard.isArmed) return;
      made.guardFiredAt = killAt;
      drop(made, guard);
      made.process?.signal(9);
    }

    function drop(made: FakeRun, guard: FakeGuard): void {
      guard.isArmed = false;
      made.guards = made.guards.filter((each) => each !== guard);
    }
  }

  guardFiredAt(run: RunRef): number | undefined {
    return this.#runOf(run)?.guardFiredAt;
  }

  takeOverGuards(run: RunRef): Promise<'sent' | 'unsent' | undefined> {
    return this.#slow(() => {
      const made = this.#runOf(run);
      if (made === undefined) return undefined;
      for (const guard of made.guards) if (!this.#ownGuards.has(guard)) guard.isArmed = false;
      made.guards = made.guards.filter((guard) => this.#ownGuards.has(guard));
      const { verdict } = made;
      if (verdict === 'unsent') made.verdict = undefined;
      return verdict;
    });
  }

  endGuards(run: RunRef): Promise<void> {
    return this.#slow(() => {
      const made = this.#runOf(run);
      for (const guard of made?.guards ?? []) guard.isArmed = false;
      if (made !== undefined) made.guards = [];
    });
  }

  checkResources(): void {
    // a host in memory limits everything
  }

  update(run: RunRef, row: ContainerRow): Promise<void> {
    return this.#slow(() => {
      const made = this.#need(run);
      if (this.#host.refusal !== undefined) throw this.#host.refusal;
      if (made.process?.isAlive !== true) throw new BerthError('Internal', 'its cgroup is gone');
      made.file = { ...made.file, row };
    });
  }

  pause(run: RunRef): Promise<void> {
    return this.#slow(() => void this.#need(run).process?.freeze());
  }

  resume(run: RunRef): Promise<void> {
    return this.#slow(() => this.#need(run).process?.thaw());
  }

  findUser(): Promise<Resolved['user']> {
    return Promise.resolve({ uid: 0, gid: 0, additionalGids: [], home: '/root' });
  }

  exec(): Promise<ExecProcess> {
    return Promise.reject(new BerthError('Unsupported', 'no exec in memory'));
  }

  killExec(): Promise<void> {
    return Promise.resolve();
  }

  attach(run: RunRef, options: AttachOptions): Promise<AttachStream> {
    return this.#slow(() => {
      const { streams, monitor } = this.#need(run);
      if (streams === undefined || monitor?.isAlive !== true) throw new BerthError('Unavailable', 'no monitor');
      this.#power.onCut(() => streams.end());
      return streams.attach(options);
    });
  }

  resize(run: RunRef, size: TerminalSize): Promise<void> {
    return this.#slow(() => {
      const { streams, monitor } = this.#need(run);
      if (streams === undefined || monitor?.isAlive !== true) throw new BerthError('WrongState', 'no monitor');
      streams.size = size;
    });
  }

  oomKills(): number {
    return 0;
  }

  cleanSteps(run: RunRef): readonly CleanStep[] {
    return fakeCleanSteps(this.#host, idOf(run), (work) => this.#slow(work));
  }

  find(): Promise<readonly RunRef[]> {
    return this.#slow(() =>
      [...this.#host.runs.values()].map(({ file }) => ({ containerId: file.row.spec.id, number: file.row.runs })),
    );
  }

  observe(run: RunRef): Promise<RunObservation | undefined> {
    return this.#slow(() => {
      this.#host.unreadable -= 1;
      if (this.#host.unreadable >= 0) throw new Error('EIO: i/o error');
      const made = this.#host.runs.get(idOf(run));
      if (made === undefined) return undefined;
      const { process, monitor, file } = made;
      const processes =
        process === undefined || monitor === undefined
          ? undefined
          : { init: process.identity, monitor: monitor.identity };
      return {
        run,
        saved: { row: file.row, sandbox: file.sandbox },
        processes,
        isInitAlive: process?.isAlive ?? false,
        isMonitorAlive: monitor?.isAlive ?? false,
        liveProcesses: process?.isAlive === true ? 1 : 0,
        exitFile: made.exitFile,
        frozenBy: process?.isFrozen === true ? 'itself' : 'nobody',
        guardFiredAt: made.guardFiredAt,
      };
    });
  }

  diagnose(run: RunRef): RunDiagnosis {
    const made = this.#runOf(run);
    const { process } = made ?? {};
    const state = process?.isStuck === true ? 'D' : 'S';
    return {
      frozenBy: process?.isFrozen === true ? 'itself' : 'nobody',
      monitor: made?.monitor?.isAlive === true ? 'alive' : 'gone',
      processes:
        process?.isAlive === true ? [{ pid: process.identity.pid, command: 'fake', state, holdsOutput: false }] : [],
    };
  }

  explainEarlyEnd(): Promise<undefined> {
    return this.#power.live(() => Promise.resolve(undefined));
  }

  async *readLog(): AsyncGenerator<LogLine> {
    // nothing is printed in memory
  }

  removeLog(): Promise<void> {
    return Promise.resolve();
  }

  reopenLog(run: RunRef): Promise<void> {
    return this.#slow(() => {
      if (this.#need(run).monitor?.isAlive !== true) throw new BerthError('WrongState', 'the monitor has ended');
    });
  }

  makeLog(): Promise<void> {
    return this.#slow(() => undefined);
  }

  usage(run: RunRef): RunUsage | undefined {
    this.#power.need();
    const made = this.#runOf(run);
    if (made?.process === undefined) return undefined;
    return { at: this.#host.clock.wall(), processes: made.process.isAlive ? 1 : 0 };
  }

  details(run: RunRef): Promise<RunDetails | undefined> {
    const usage = this.usage(run);
    const counted = { devices: [], hugepages: [], openFiles: 0, sockets: 0, mostOpenFiles: undefined };
    return Promise.resolve(usage === undefined ? undefined : { ...usage, ...counted });
  }

  /** No pod has a cgroup in memory. */
  usageOfCgroup(): undefined {
    return undefined;
  }

  #runOf(run: RunRef): FakeRun | undefined {
    return this.#host.runs.get(idOf(run));
  }

  #need(run: RunRef): FakeRun {
    this.#power.need();
    const made = this.#runOf(run);
    if (made === undefined) throw new BerthError('NotFound', `no run ${idOf(run)}`);
    return made;
  }

  /** Takes the host's time; a daemon that dies meanwhile may or may not have had its way. */
  #slow<T>(work: () => T): Promise<T> {
    return this.#power.live(async () => {
      await this.#host.clock.sleep(this.#host.latencyMs());
      this.#power.need();
      return work();
    });
  }

  #loseDaemon(made: FakeRun, guard: FakeGuard, init: ProcessIdentity, signal: number): void {
    if (!guard.isArmed || !guard.isWindowOpen) return;
    const process = this.#host.find(init);
    made.verdict ??= process?.pending.has(signal) === true ? 'sent' : 'unsent';
    process?.thaw();
  }
}

function idOf({ containerId, number }: RunRef): string {
  return runtimeIdOf(containerId, number);
}
