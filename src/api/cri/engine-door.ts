import type { Engine } from '../../engine/index.ts';
import type { Image, ImageStorage, PullRequest, RunUsage } from '../../engine/ports.ts';
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
  };
  readonly containers: Pick<Engine['containers'], 'list' | 'create' | 'start' | 'stop' | 'remove' | 'exec'> & {
    reopenLog(id: string): Promise<void>;
    usage(id: string): RunUsage | undefined;
  };
  readonly images: Pick<Engine['images'], 'list' | 'find'>;
  pullImage(request: PullRequest): Promise<Image>;
  /** @throws BerthError NotFound */
  removeWholeImage(id: string): Promise<void>;
  imageStorage(): Promise<ImageStorage>;
  /** Why no sandbox can have users of its own; undefined: it can. */
  idmapTrouble(): Promise<string | undefined>;
  /** Why no sandbox can have a network now. */
  readonly networkTrouble: string | undefined;
  /** Why nothing new is begun now. */
  readonly trouble: string | undefined;
}
