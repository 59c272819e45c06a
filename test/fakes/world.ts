import type { Log } from '../../src/base/log.ts';
import { Engine } from '../../src/engine/engine.ts';
import type { ContainerView } from '../../src/engine/containers.ts';
import type { ContainerRequest } from '../../src/engine/container/spec.ts';
import type { EngineSettings } from '../../src/engine/settings.ts';
import { defaultSettings } from '../../src/engine/settings.ts';
import { FakeHost } from './fake-host.ts';
import type { FakeProcess, FakeProgram } from './fake-host.ts';
import { FakeImages } from './fake-images.ts';
import { FakeNamespaces } from './fake-namespaces.ts';
import { WorldNetwork } from './world-network.ts';
import { FakeRuntime } from './fake-runtime.ts';
import { ManualClock } from './manual-clock.ts';
import { MemoryDisk, MemoryStore } from './memory-store.ts';
import { Power } from './power.ts';

/** A host in memory, on which daemons can be started and killed. */
export class World {
  readonly clock = new ManualClock();
  readonly host = new FakeHost(this.clock);
  readonly disk = new MemoryDisk();
  /** What the engines told that should never have to be told. */
  readonly failures: string[] = [];
  power = new Power();
  engine: Engine;
  readonly #settings: Partial<EngineSettings>;

  constructor(settings: Partial<EngineSettings> = {}) {
    this.#settings = settings;
    this.engine = this.#boot(undefined);
  }

  get sandboxes(): Engine['sandboxes'] {
    return this.engine.sandboxes;
  }

  get containers(): Engine['containers'] {
    return this.engine.containers;
  }

  /** Kills the daemon, as `kill -9` would. */
  kill(): void {
    this.power.cut();
  }

  /** Starts another daemon on what is there. `failpoint`: where it will die. */
  async restart(failpoint?: string): Promise<void> {
    this.kill();
    this.power = new Power();
    this.engine = this.#boot(failpoint);
    const recovery = this.engine.recover();
    let isDone = false;
    void recovery.then(() => (isDone = true));
    await this.clock.runUntil(() => isDone || !this.power.isOn, 120_000);
  }

  async create(program: FakeProgram, request: Partial<ContainerRequest> = {}): Promise<ContainerView> {
    const name = `program-${this.host.programs.size}`;
    this.host.programs.set(name, program);
    return this.clock.complete(this.containers.create({ image: 'test', command: [name], ...request }));
  }

  async run(program: FakeProgram, request: Partial<ContainerRequest> = {}): Promise<string> {
    const { row } = await this.create(program, request);
    await this.clock.complete(this.containers.start(row.spec.id));
    return row.spec.id;
  }

  /** The PID 1 of the container's latest run. */
  process(id: string): FakeProcess {
    const process = this.host.history.get(id)?.at(-1);
    if (process === undefined) throw new Error(`container ${id} never had a process`);
    return process;
  }

  phase(id: string): string {
    return this.containers.get(id).row.state.phase;
  }

  #boot(failpoint: string | undefined): Engine {
    const { power, host } = this;
    return new Engine({
      clock: power.clock(this.clock),
      log: this.#log(),
      failpoints: power.failpoints(failpoint),
      settings: { ...defaultSettings, logFolder: '/logs', ...this.#settings },
      store: new MemoryStore(this.disk, power),
      runtimes: new Map([['crun', new FakeRuntime(host, power)]]),
      images: new FakeImages(host, power),
      namespaces: new FakeNamespaces(host, power),
      network: new WorldNetwork(host, power),
    });
  }

  /** A dead daemon's code fails everywhere; that is no failure of it. */
  #log(): Log {
    const { power } = this;
    const ignore = (): void => undefined;
    return {
      debug: ignore,
      info: ignore,
      warn: ignore,
      error: (message, fields) => {
        if (power.isOn) this.failures.push(`${message} ${JSON.stringify(fields)}`);
      },
    };
  }
}

/** A daemon that dies in the middle of a synchronous call leaves promises behind that nobody waits for. */
export function ignoreTheDead(): void {
  process.on('unhandledRejection', (reason) => {
    if (!(reason instanceof Error) || reason.message !== 'the daemon is dead') throw reason;
  });
}
