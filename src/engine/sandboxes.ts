import { untilAborted } from '../base/abort.ts';
import { BerthError } from '../base/errors.ts';
import type { CreateParts } from './container/create.ts';
import type { Requester } from './container/spec.ts';
import type { Explanation } from './container/why.ts';
import type { CpuRates } from './cpu-rates.ts';
import type { SandboxActor } from './sandbox/actor.ts';
import { isPrivate } from './sandbox/actor.ts';
import { createSandbox } from './sandbox/create.ts';
import type { CreateSandboxOptions } from './sandbox/create.ts';
import { removeSandbox } from './sandbox/remove.ts';
import type { SandboxRequest, SandboxRow } from './sandbox/state.ts';
import { stopSandbox } from './sandbox/stop.ts';
import type { StopSandboxRequest } from './sandbox/stop.ts';
import { usagesOfSandboxes } from './sandbox/usage.ts';
import type { SandboxUsage } from './sandbox/usage.ts';
import { explainSandbox } from './sandbox/why.ts';

/** A sandbox as doors see it: a snapshot that does not change any more. */
export interface SandboxView {
  readonly row: SandboxRow;
}

export interface UpdateSandboxRequest {
  readonly apiData: unknown;
  readonly requester: Requester;
  /** Ends the wait, never the update. */
  readonly signal?: AbortSignal;
}

/** The verbs of pods' sandboxes, by id, by name, or by a prefix of an id that fits one only. */
export class Sandboxes {
  readonly #parts: CreateParts;
  readonly #recovered: Promise<void>;
  readonly #rates: CpuRates;

  /** @param recovered resolves when what an earlier boot held is free again */
  constructor(parts: CreateParts, rates: CpuRates, recovered: Promise<void>) {
    this.#parts = parts;
    this.#recovered = recovered;
    this.#rates = rates;
  }

  /** Those of pods, without those that are still being made. */
  list(): readonly SandboxView[] {
    return this.#parts.sandboxes
      .all()
      .filter((sandbox) => !isPrivate(sandbox) && sandbox.state.phase !== 'creating')
      .map(viewOf);
  }

  /** @throws BerthError NotFound; InvalidArgument when a prefix fits several */
  get(wanted: string): SandboxView {
    return viewOf(this.#parts.sandboxes.find(wanted));
  }

  async create(request: SandboxRequest, options: CreateSandboxOptions = {}): Promise<SandboxView> {
    await untilAborted(this.#recovered, options.signal);
    return viewOf(await createSandbox(request, this.#parts, options));
  }

  /** Replaces what the door keeps with it. */
  async update(wanted: string, { apiData, requester, signal }: UpdateSandboxRequest): Promise<SandboxView> {
    const sandbox = await this.#ready(wanted, signal);
    await sandbox.mailbox.run(() => {
      if (sandbox.isGone) throw new BerthError('NotFound', `Cannot update sandbox "${wanted}": it was removed`);
      sandbox.commitData(apiData, { requester });
    });
    return viewOf(sandbox);
  }

  async stop(wanted: string, request: StopSandboxRequest): Promise<void> {
    await stopSandbox(await this.#ready(wanted, request.signal), this.#parts, request);
  }

  async remove(wanted: string, request: StopSandboxRequest): Promise<void> {
    await removeSandbox(await this.#ready(wanted, request.signal), this.#parts, request);
  }

  /** What they use now, by id; those that are not ready use nothing. @param ids all of them when it is left out */
  usages(ids?: ReadonlySet<string>): Promise<ReadonlyMap<string, SandboxUsage>> {
    return usagesOfSandboxes(({ id }) => ids?.has(id) ?? true, this.#parts, this.#rates);
  }

  why(wanted: string): Explanation {
    return explainSandbox(this.#parts.sandboxes.find(wanted), this.#parts);
  }

  async #ready(wanted: string, signal: AbortSignal | undefined): Promise<SandboxActor> {
    const sandbox = this.#parts.sandboxes.find(wanted);
    await untilAborted(sandbox.untilRecovered(), signal);
    return sandbox;
  }
}

function viewOf({ row }: SandboxActor): SandboxView {
  return { row };
}
