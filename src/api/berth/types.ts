import type {
  ContainerRequest,
  ContainerRow,
  DebtRow,
  EventRow,
  ExitRecord,
  Explanation,
  StopResult,
} from '../../engine/index.ts';
import type { ImageStorage, PullProgress, RegistryAuth } from '../../engine/ports.ts';

/**
 * What berth's own door speaks: HTTP with JSON over a unix socket, below `/v1`. Streams are NDJSON, one object a line.
 * An error is `{"error": {"code", "message", "field"?}}` with the status of the error table; in a stream that has begun
 * it is the last line.
 */
export interface ErrorBody {
  readonly error: {
    readonly code: string;
    readonly message: string;
    /** The field of the request that is wrong. */
    readonly field?: string;
    /** Of a command that could not be run: 126, 127. */
    readonly exitCode?: number;
  };
}

/** `GET /v1/version` */
export interface VersionAnswer {
  readonly version: string;
  readonly api: 'v1';
  readonly pid: number;
  /** Every container of an earlier daemon was seen to. */
  readonly isRecovered: boolean;
}

/** `POST /v1/containers`; times in ms, sizes in bytes. */
export type CreateBody = ContainerRequest;

/** A container; also the answer of create and start. */
export interface ContainerAnswer {
  readonly id: string;
  readonly name: string;
  readonly image: { readonly name: string; readonly id: string };
  /** `created`, `starting`, `running`, `stopping`, `paused`, `exited`, `removing`, `creating`. */
  readonly phase: string;
  /** Unix ms. */
  readonly createdAt: number;
  readonly startedAt?: number;
  /** PID 1 on the host. */
  readonly pid?: number;
  readonly exit?: ExitRecord;
  readonly isQuarantined: boolean;
  readonly network: string;
  readonly command: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** `GET /v1/containers/ID` */
export interface InspectAnswer extends ContainerAnswer {
  readonly row: ContainerRow;
}

/** A pod's sandbox, as `GET /v1/sandboxes` lists them. */
export interface SandboxAnswer {
  readonly id: string;
  readonly name: string;
  /** `ready`, `stopping`, `stopped`. */
  readonly phase: string;
  readonly network: string;
  /** IP addresses, the primary one first. */
  readonly addresses: readonly string[];
  /** Unix ms. */
  readonly createdAt: number;
  readonly pod?: { readonly name: string; readonly namespace: string; readonly uid: string; readonly attempt: number };
  /** Names of the containers in it. */
  readonly containers: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** `POST /v1/containers/ID/stop` */
export interface StopBody {
  /** ms until SIGKILL; `"never"`: none; left out: the container's own. */
  readonly graceMs?: number | 'never';
  readonly signal?: string;
  readonly reason?: string;
}

export type StopAnswer = StopResult;

/** `POST /v1/containers/ID/kill` */
export interface KillBody {
  readonly signal?: string;
  readonly reason?: string;
}

/** A line of `GET /v1/containers/ID/logs?follow=1&tail=N&since=MS`. */
export interface LogRecord {
  readonly time: string;
  readonly stream: 'stdout' | 'stderr';
  /** The line without its end; `data` instead when it is no UTF-8. */
  readonly text?: string;
  /** base64 */
  readonly data?: string;
  readonly isPartial?: true;
}

/** First line of the request of `POST /v1/containers/ID/exec`. */
export interface ExecBody {
  readonly args: readonly string[];
  readonly env?: readonly string[];
  readonly cwd?: string;
  readonly user?: string;
  readonly hasStdin?: boolean;
  readonly timeoutMs?: number;
}

/** The further lines of an exec's request. */
export type ExecInput =
  | { readonly kind: 'input' /** base64 */; readonly data: string }
  | { readonly kind: 'end' }
  | { readonly kind: 'signal'; readonly signal: string };

/** The lines of an exec's answer; `exit` is the last one. */
export type ExecOutput =
  | { readonly kind: 'started'; readonly id: string }
  | { readonly kind: 'output'; readonly stream: 'stdout' | 'stderr' /** base64 */; readonly data: string }
  /** So much of the input was taken. A client that has little under way can still send a signal at any time. */
  | { readonly kind: 'taken'; readonly bytes: number }
  | { readonly kind: 'exit'; readonly code: number; readonly isTimedOut: boolean; readonly isOutputCut: boolean };

export interface ImageAnswer {
  readonly id: string;
  readonly names: readonly string[];
  /** `registry/repository@sha256:…`, as registries have it. */
  readonly digests: readonly string[];
  /** No prune takes it. */
  readonly isPinned: boolean;
  readonly sizeBytes: number;
  readonly createdAt?: number;
  readonly architecture: string;
  readonly layers: number;
}

/** The lines of `POST /v1/images?name=N`, whose body is a tar; `images` is the last one. */
export type ImportLine =
  | { readonly kind: 'progress'; readonly step: string; readonly bytes: number; readonly layer?: string }
  | { readonly kind: 'images'; readonly images: readonly ImageAnswer[] };

/** `POST /v1/images/pull`. What proves who asks is used for this one pull, and kept nowhere. */
export interface PullBody {
  readonly name: string;
  readonly auth?: RegistryAuth;
}

/** The lines of its answer; `image` is the last one. Of the progress of a layer only the newest is told. */
export type PullLine =
  | ({ readonly kind: 'progress' } & PullProgress)
  | { readonly kind: 'image'; readonly image: ImageAnswer };

/** `POST /v1/images/prune`: what was removed. */
export interface PruneAnswer {
  readonly images: readonly ImageAnswer[];
}

/** `GET /v1/images/storage` */
export type StorageAnswer = ImageStorage;

export type { RegistryAuth };

export type WhyAnswer = Explanation;
export type EventLine = EventRow;
export type DebtAnswer = DebtRow;

/** `GET /v1/doctor`: what the daemon itself has to tell. */
export interface DoctorAnswer {
  readonly findings: readonly {
    readonly level: 'ok' | 'warning' | 'error';
    readonly text: string;
    /** What to do about it. */
    readonly advice?: string;
  }[];
  /** Runs that live and belong to no container: `POST /v1/foreign/ID/adopt` or `…/remove`. */
  readonly foreign: readonly { readonly container: string; readonly run: number; readonly processes: number }[];
}
