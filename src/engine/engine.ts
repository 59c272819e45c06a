import type { Clock } from '../base/clock.ts';
import { BerthError } from '../base/errors.ts';
import type { Failpoints } from '../base/failpoints.ts';
import type { Log } from '../base/log.ts';
import { formatDuration } from '../base/units.ts';
import { ContainerActor } from './container/actor.ts';
import { settleCleaned } from './container/clean.ts';
import type { CreateParts } from './container/create.ts';
import { describePhase } from './container/state.ts';
import type { ContainerRow } from './container/state.ts';
import { Containers } from './containers.ts';
import { CpuRates } from './cpu-rates.ts';
import { Debts } from './debts.ts';
import { detach } from './detach.ts';
import type { EventFeed, FollowOptions } from './journal.ts';
import { Journal } from './journal.ts';
import { runtimeNamed } from './parts.ts';
import { payersOf } from './payers.ts';
import { Creations } from './creations.ts';
import { podsOf } from './pods.ts';
import type {
  Counters,
  Disk,
  Image,
  Images,
  ImageStorage,
  ImportRequest,
  Namespaces,
  Network,
  PullRequest,
  Runtime,
  SavedState,
  Store,
} from './ports.ts';
import { recoverExecs } from './recovery/execs.ts';
import type { ForeignRun } from './recovery/orphans.ts';
import { adoptRun, recoverOrphans, removeRun, removeUnowned } from './recovery/orphans.ts';
import { recoverContainers } from './recovery/recover.ts';
import { recoverSandboxes } from './recovery/sandboxes.ts';
import { Registry } from './registry.ts';
import type { DebtRow, EventRow } from './rows.ts';
import { SandboxActor } from './sandbox/actor.ts';
import type { SandboxRow } from './sandbox/state.ts';
import { Sandboxes } from './sandboxes.ts';
import type { EngineSettings } from './settings.ts';

/** The world that an engine lives in. */
export interface EngineWorld {
  readonly clock: Clock;
  readonly log: Log;
  readonly failpoints: Failpoints;
  readonly settings: EngineSettings;
  readonly store: Store;
  readonly runtimes: ReadonlyMap<string, Runtime>;
  readonly images: Images;
  readonly namespaces: Namespaces;
  readonly network: Network;
}

/** One container engine. It knows no file, socket or kernel: those are behind the ports. */
export class Engine {
  readonly containers: Containers;
  readonly sandboxes: Sandboxes;
  readonly images: Pick<Images, 'list' | 'find'>;
  readonly #parts: CreateParts;
  readonly #saved: SavedState;
  readonly #shutdown = new AbortController();
  readonly #sandboxesRecovered = Promise.withResolvers<void>();
  #foreign: readonly ForeignRun[] = [];
  #isRecovered = false;

  /** Loads what is saved. Containers can be listed from here on; `recover` makes them answer to verbs. */
  constructor(world: EngineWorld) {
    const saved = world.store.load();
    const journal = new Journal(world.store, world.clock, saved.lastEvent);
    const debts = new Debts(world.clock, world.log, journal);
    const containers = new Registry<ContainerActor>('container', ({ row }) =>
      describeHolder(describePhase(row.state), row, world.clock),
    );
    const sandboxes = new Registry<SandboxActor>('sandbox', ({ row }) =>
      describeHolder(row.state.phase, row, world.clock),
    );
    const { clock } = world;
    const creations = {
      containerCreations: new Creations<ContainerActor>(clock),
      sandboxCreations: new Creations<SandboxActor>(clock),
      infras: new Map<string, Promise<ContainerActor>>(),
    };
    const common = { ...world, ...creations, journal, debts, containers, sandboxes, shutdown: this.#shutdown.signal };
    this.#parts = { ...common, pods: podsOf(() => this.#parts) };
    this.#saved = saved;
    this.images = world.images;
    const rates = new CpuRates();
    this.containers = new Containers(this.#parts, rates);
    this.sandboxes = new Sandboxes(this.#parts, rates, this.#sandboxesRecovered.promise);
    this.#load(saved);
  }

  /**
   * Finds out what became of everything while no engine was there, and takes it up. Resolves when each container was
   * seen to; what goes on (stops, cleaning) goes on.
   */
  async recover(): Promise<void> {
    const parts = this.#parts;
    const isNew = this.#saved.origin === 'new';
    this.#foreign = await recoverOrphans(parts, isNew);
    const [{ plans }] = await Promise.all([recoverContainers(parts), this.#recoverSandboxes()]);
    await recoverExecs(parts, this.#saved.execs);
    if (!isNew) await removeUnowned(parts);
    detach(parts.log, 'debts', parts.debts.run(this.#shutdown.signal));
    this.#isRecovered = true;
    parts.log.info('recovered', {
      containers: parts.containers.all().length,
      acted: plans.length,
      foreign: this.#foreign.length,
    });
  }

  async #recoverSandboxes(): Promise<void> {
    try {
      await recoverSandboxes(this.#parts);
    } finally {
      this.#sandboxesRecovered.resolve();
    }
  }

  /** Why no sandbox can be given a network now. */
  get networkTrouble(): string | undefined {
    return this.#parts.network.trouble;
  }

  /** Why no sandbox can have users of its own; undefined: it can. */
  idmapTrouble(): Promise<string | undefined> {
    return this.#parts.images.idmapTrouble();
  }

  /** The names of the runtimes that containers can be run by. */
  get handlers(): readonly string[] {
    return [...this.#parts.runtimes.keys()];
  }

  /** What this host counts of containers. */
  get counters(): Counters {
    return runtimeNamed(this.#parts, this.#parts.settings.defaultHandler).counters;
  }

  /** The file system that containers write to. */
  disk(): Promise<Disk> {
    return this.#parts.images.disk();
  }

  get isRecovered(): boolean {
    return this.#isRecovered;
  }

  /** Runs that live and belong to no container that is known. */
  get foreign(): readonly ForeignRun[] {
    return this.#foreign;
  }

  get trouble(): string | undefined {
    return this.#parts.store.trouble;
  }

  /** @throws BerthError NotFound when events after `after` are not kept any more */
  events(options: FollowOptions = {}): EventFeed {
    return this.#parts.journal.follow(options);
  }

  get lastEvent(): number {
    return this.#parts.journal.last;
  }

  /** What is kept between two numbers, oldest first, read as it is asked for. */
  *eventsUpTo(after: number, last: number): Generator<EventRow> {
    for (let at = after; at < last; ) {
      const page = this.#parts.journal.read({ after: at });
      if (page.length === 0) return;
      for (const event of page) {
        if (event.n > last) return;
        yield event;
        at = event.n;
      }
    }
  }

  /** @throws BerthError InvalidArgument when the archive is none, ResourceExhausted when it does not fit */
  async importImages(request: ImportRequest): Promise<readonly Image[]> {
    const images = await this.#parts.images.import(request);
    const events = images.map(({ id, names }) => ({ type: 'image.imported' as const, body: { id, names } }));
    this.#parts.journal.record({}, events);
    return images;
  }

  /** @throws BerthError as the port's `pull` */
  async pullImage(request: PullRequest): Promise<Image> {
    const image = await this.#parts.images.pull(request);
    const { id, digests } = image;
    this.#parts.journal.record({}, [{ type: 'image.pulled', body: { id, name: request.name, digest: digests[0] } }]);
    return image;
  }

  /**
   * Removes an image with all it is called, also while containers use it.
   * @param name one of its names or digests, or its id
   * @throws BerthError NotFound; Busy while it is pulled or imported
   */
  async removeWholeImage(name: string): Promise<void> {
    const image = this.images.find(name);
    if (await this.#parts.images.removeAll(image.id)) this.#recordRemoved([image]);
  }

  /** Removes every image that nobody uses and nobody has pinned. Returns those. */
  async pruneImages(): Promise<readonly Image[]> {
    const removed = await this.#parts.images.prune();
    this.#recordRemoved(removed);
    return removed;
  }

  imageStorage(): Promise<ImageStorage> {
    return this.#parts.images.storage();
  }

  #recordRemoved(images: readonly Image[]): void {
    const events = images.map(({ id, names, digests }) => {
      return { type: 'image.removed' as const, body: { id, name: names[0] ?? digests[0] ?? id, names, digests } };
    });
    this.#parts.journal.record({}, events);
  }

  /** @throws BerthError NotFound; Busy while a container uses it */
  async removeImage(name: string): Promise<void> {
    const { id } = this.images.find(name);
    await this.#parts.images.remove(name);
    this.#parts.journal.record({}, [{ type: 'image.removed', body: { id, name } }]);
  }

  /** Makes a container of a run that lives and belongs to none. @throws BerthError NotFound; WrongState */
  async adoptForeign(id: string): Promise<void> {
    const { run } = this.#foreignRun(id);
    await adoptRun(this.#parts, run);
    this.#foreign = this.#foreign.filter((other) => other.run !== run);
  }

  /** Kills a run that belongs to no container, and cleans up after it. @throws BerthError NotFound */
  async removeForeign(id: string): Promise<void> {
    const { run } = this.#foreignRun(id);
    await removeRun(this.#parts, run);
    this.#foreign = this.#foreign.filter((other) => other.run !== run);
  }

  debts(): readonly DebtRow[] {
    return this.#parts.debts.list();
  }

  /** @throws BerthError NotFound */
  forgiveDebt(id: string): Promise<void> {
    return this.#parts.debts.forgive(id);
  }

  #foreignRun(id: string): ForeignRun {
    const found = this.#foreign.find(({ run }) => run.containerId.startsWith(id));
    if (found === undefined) throw new BerthError('NotFound', `Cannot find foreign run "${id}": there is none`);
    return found;
  }

  /** Leaves everything as it is, for the next engine to take up. */
  close(): void {
    this.#shutdown.abort(new BerthError('Unavailable', 'Cannot go on: the engine is ending'));
  }

  #load(saved: SavedState): void {
    const parts = this.#parts;
    for (const row of saved.sandboxes) parts.sandboxes.add(new SandboxActor(row, parts, 'saved'));
    for (const row of saved.containers) {
      const sandbox = parts.sandboxes.get(row.spec.sandboxId) ?? new SandboxActor(lostSandbox(row), parts, 'saved');
      parts.sandboxes.add(sandbox);
      parts.containers.add(new ContainerActor(row, sandbox, parts, 'saved'));
    }
    parts.debts.restore(saved.debts);
    parts.debts.connect(payersOf(parts), async (debt) => {
      const actor = debt.container === undefined ? undefined : parts.containers.get(debt.container);
      if (actor !== undefined && debt.run !== undefined) await settleCleaned(actor, parts, debt.run);
    });
  }
}

function describeHolder(phase: string, { createdAt }: { readonly createdAt: number }, clock: Clock): string {
  return `it is ${phase}, made ${formatDuration(clock.wall() - createdAt)} ago`;
}

/** Stands in for a sandbox whose row is gone: a container is never lost for that. */
function lostSandbox({ spec, createdAt }: ContainerRow): SandboxRow {
  const { id: owner, name, sandboxId: id, handler } = spec;
  const none = { ports: [], sysctls: {}, labels: {}, annotations: {}, apiData: undefined };
  return {
    spec: { id, name, network: 'none', ipc: 'sandbox', hostname: name, owner, handler, ...none },
    state: { phase: 'stopped', stoppedAt: createdAt },
    createdAt,
  };
}
