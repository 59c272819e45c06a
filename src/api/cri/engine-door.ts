import type { Engine, EventFeed } from '../../engine/index.ts';
import type { Counters, Disk, Image, ImageStorage, PullRequest } from '../../engine/ports.ts';
import type { SandboxRequest, SandboxRow } from '../../engine/sandbox/state.ts';

/** A sandbox as this door sees it: a snapshot that does not change any more. */
export interface SandboxView {
  readonly row: SandboxRow;
}

interface Waiting {
  readonly requester: string;
  /** Ends the wait, never the work. */
  readonly signal: AbortSignal;
}

/** What this door asks of the engine, and nothing more. */
export interface CriEngine {
  readonly sandboxes: {
    list(): readonly SandboxView[];
    /** A creation that is asked for again, with the same name and an equal request, is the one in progress. */
    create(request: SandboxRequest, options: { readonly signal: AbortSignal }): Promise<SandboxView>;
    stop(id: string, options: Waiting): Promise<void>;
    remove(id: string, options: Waiting): Promise<void>;
    update: Engine['sandboxes']['update'];
    usages: Engine['sandboxes']['usages'];
  };
  readonly containers: Pick<
    Engine['containers'],
    'list' | 'create' | 'start' | 'update' | 'stop' | 'remove' | 'exec' | 'usage' | 'details' | 'snapshotUsages'
  > & {
    reopenLog(id: string): Promise<void>;
  };
  readonly images: Pick<Engine['images'], 'list' | 'find'>;
  /** From now on. */
  events(): EventFeed;
  pullImage(request: PullRequest): Promise<Image>;
  /** @throws BerthError NotFound */
  removeWholeImage(id: string): Promise<void>;
  imageStorage(): Promise<ImageStorage>;
  /** Why no sandbox can have users of its own; undefined: it can. */
  idmapTrouble(): Promise<string | undefined>;
  disk(): Promise<Disk>;
  readonly counters: Counters;
  /** Why no sandbox can have a network now. */
  readonly networkTrouble: string | undefined;
  /** Why nothing new is begun now. */
  readonly trouble: string | undefined;
}
