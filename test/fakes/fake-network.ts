import { BerthError } from '../../src/base/errors.ts';
import { shortId } from '../../src/base/ids.ts';
import type { Network, NetworkAttachment, NetworkOrder, RestoredNetwork } from '../../src/engine/ports.ts';
import { HostPorts, collide, describeClaim, readClaims } from '../../src/network/host-ports/claims.ts';
import type { Claim } from '../../src/network/host-ports/claims.ts';
import type { ManualClock } from './manual-clock.ts';
import type { Power } from './power.ts';

/** What of networks lives outside of the daemon. Drivers come and go on it; what goes wrong is set here by hand. */
export class FakeCables {
  readonly clock: ManualClock;
  /** By sandbox: what `detach` has to take away. An ADD that has failed leaves something too. */
  readonly attached = new Map<string, { readonly address: string | undefined }>();
  /** By sandbox: the host ports that lead to it. */
  readonly forwarded = new Map<string, readonly Claim[]>();
  /** Ports of processes of the host: `web (pid 7)`. */
  readonly hostProcesses = new Map<number, string>();
  /** Why no sandbox can be attached; undefined: all is well. */
  trouble: string | undefined;
  /** What a plugin says to every attach or detach, after it has done a half of it. */
  attachFailure: BerthError | undefined;
  detachFailure: BerthError | undefined;
  /** Plugins of this verb do not answer: it fails at its deadline, or when its caller aborts it. */
  hangsAt: 'attach' | 'detach' | undefined;
  /** How long a plugin takes; tests make it random. */
  latencyMs: () => number = () => 1;
  /** Times that a plugin was asked for the namespace of a sandbox that had none any more, or the other way round. */
  readonly detachedWith: { readonly sandboxId: string; readonly netns: string | undefined }[] = [];
  #nextAddress = 2;

  constructor(clock: ManualClock) {
    this.clock = clock;
  }

  /** The lowest ones are not given out again, as host-local does it. */
  takeAddress(): string {
    const number = this.#nextAddress++;
    return `10.83.${number >> 8}.${number & 0xff}`;
  }

  /** What is left on the host; a clean host gives nothing. */
  census(): string[] {
    return [
      ...[...this.attached.keys()].map((id) => `attachment ${id}`),
      ...[...this.forwarded.keys()].map((id) => `host ports of ${id}`),
    ];
  }
}

const PLUGIN_DEADLINE_MS = 60_000;

/** The port Network in memory: an address is a number, a forwarded port an entry. */
export class FakeNetwork implements Network {
  readonly #cables: FakeCables;
  readonly #power: Power;
  readonly #hostPorts = new HostPorts();
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(cables: FakeCables, power: Power) {
    this.#cables = cables;
    this.#power = power;
  }

  get trouble(): string | undefined {
    return this.#cables.trouble;
  }

  attach(order: NetworkOrder, signal: AbortSignal): Promise<NetworkAttachment> {
    return this.#inTurn(order.sandboxId, () => this.#attach(order, signal));
  }

  detach(sandboxId: string, netns: string | undefined): Promise<void> {
    return this.#inTurn(sandboxId, async () => {
      const cables = this.#cables;
      this.#power.need();
      cables.forwarded.delete(sandboxId);
      this.#hostPorts.release(sandboxId);
      if (!cables.attached.has(sandboxId)) return;
      await this.#work('detach', undefined);
      cables.detachedWith.push({ sandboxId, netns });
      if (cables.detachFailure !== undefined) throw cables.detachFailure;
      cables.attached.delete(sandboxId);
    });
  }

  find(): Promise<readonly string[]> {
    return this.#power.live(() =>
      Promise.resolve([...new Set([...this.#cables.attached.keys(), ...this.#hostPorts.holders()])]),
    );
  }

  restore(sandboxes: readonly RestoredNetwork[]): Promise<void> {
    return this.#power.live(async () => {
      await this.#work('restore', undefined);
      this.#cables.forwarded.clear();
      for (const { sandboxId, ports } of sandboxes) {
        const claims = readClaims(ports);
        this.#hostPorts.restore(sandboxId, claims);
        if (claims.length > 0) this.#cables.forwarded.set(sandboxId, claims);
      }
    });
  }

  async #attach({ sandboxId, ports }: NetworkOrder, signal: AbortSignal): Promise<NetworkAttachment> {
    const cables = this.#cables;
    const action = `Cannot attach sandbox "${shortId(sandboxId)}"`;
    this.#power.need();
    if (cables.attached.has(sandboxId)) {
      throw new BerthError('WrongState', `${action}: it is attached already, or was not detached`);
    }
    if (cables.trouble !== undefined) throw new BerthError('Unavailable', `${action}: ${cables.trouble}`);
    const claims = readClaims(ports);
    this.#hostPorts.claim(sandboxId, claims);
    const taken = claims.find(({ hostPort }) => cables.hostProcesses.has(hostPort));
    if (taken !== undefined) {
      this.#hostPorts.release(sandboxId);
      const holder = `process ${cables.hostProcesses.get(taken.hostPort)}`;
      throw new BerthError('AlreadyExists', `Cannot use host port ${describeClaim(taken)}: ${holder} has it`);
    }
    cables.attached.set(sandboxId, { address: undefined });
    await this.#work('attach', signal);
    if (cables.attachFailure !== undefined) throw cables.attachFailure;
    const address = cables.takeAddress();
    cables.attached.set(sandboxId, { address });
    this.#forward(sandboxId, claims);
    return { addresses: [address] };
  }

  /** Two sandboxes with one port would be a mistake of the driver, so that is no error but the end of the test. */
  #forward(sandboxId: string, claims: readonly Claim[]): void {
    for (const [other, theirs] of this.#cables.forwarded) {
      const hasBoth = theirs.some((each) => claims.some((claim) => collide(each, claim)));
      if (hasBoth) throw new Error(`sandboxes ${other} and ${sandboxId} have the same host port`);
    }
    if (claims.length > 0) this.#cables.forwarded.set(sandboxId, claims);
  }

  async #work(verb: 'attach' | 'detach' | 'restore', signal: AbortSignal | undefined): Promise<void> {
    const { clock, hangsAt } = this.#cables;
    await clock.sleep(hangsAt === verb ? PLUGIN_DEADLINE_MS : this.#cables.latencyMs(), signal);
    this.#power.need();
    if (signal?.aborted === true) throw new BerthError('Cancelled', `Cannot ${verb} any longer: the caller gave up`);
    if (hangsAt !== verb) return;
    throw new BerthError('DeadlineExceeded', `Cannot finish "plugin": no answer within ${PLUGIN_DEADLINE_MS} ms`);
  }

  #inTurn<T>(sandboxId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(sandboxId) ?? Promise.resolve();
    const mine = this.#power.live(async () => {
      await before.catch(() => undefined);
      return work();
    });
    this.#turns.set(sandboxId, mine);
    mine.catch(() => undefined);
    return mine;
  }
}
