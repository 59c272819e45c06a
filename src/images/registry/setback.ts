import type { ErrorCode } from '../../base/errors.ts';

export interface SetbackOptions {
  /** It may go better a moment later. */
  readonly isPassing?: boolean;
  /** What the server asks for. */
  readonly retryAfterMs?: number | undefined;
  /** Of the answer, where there was one. */
  readonly status?: number;
  readonly cause?: unknown;
}

/** Why one server could not be of help: a fact, which becomes an error when no other server can either. */
export class Setback extends Error {
  readonly code: ErrorCode;
  readonly isPassing: boolean;
  readonly retryAfterMs: number | undefined;
  readonly status: number | undefined;

  constructor(code: ErrorCode, fact: string, { isPassing = false, retryAfterMs, status, cause }: SetbackOptions = {}) {
    super(fact, { cause });
    this.code = code;
    this.isPassing = isPassing;
    this.retryAfterMs = retryAfterMs;
    this.status = status;
  }
}
