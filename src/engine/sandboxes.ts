import { untilAborted } from '../base/abort.ts';
import type { CreateParts } from './container/create.ts';
import type { Explanation } from './container/why.ts';
import type { SandboxActor } from './sandbox/actor.ts';
import { isPrivate } from './sandbox/actor.ts';
import { createSandbox } from './sandbox/create.ts';
import type { CreateSandboxOptions } from './sandbox/create.ts';
import { removeSandbox } from './sandbox/remove.ts';
import type { SandboxRequest, SandboxRow } from './sandbox/state.ts';
import { stopSandbox } from './sandbox/stop.ts';
import type { StopSandboxRequest } from './sandbox/stop.ts';
import { explainSandbox } from './sandbox/why.ts';

/** A sandbox as doors see it: a snapshot that does not change any more. */
export interface SandboxView {
  readonly row: SandboxRow;
}

/** The verbs of pods' sandboxes, by id, by name, or by a prefix of an id that fits one only. */
export class Sandboxes {
  readonly #parts: CreateParts;
  readonly #recovered: Promise<void>;

  /** @param recovered resolves when what an earlier boot held is free again */
  constructor(parts: CreateParts, recovered: Promise<void>) {
    this.#parts = parts;
    this.#recovered = recovered;
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

  async stop(wanted: string, request: StopSandboxRequest): Promise<void> {
    await stopSandbox(await this.#ready(wanted, request.signal), this.#parts, request);
  }

  async remove(wanted: string, request: StopSandboxRequest): Promise<void> {
    await removeSandbox(await this.#ready(wanted, request.signal), this.#parts, request);
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
