/** The twelve codes of the product. What each becomes on a wire is decided in one table, `api/error-table.ts`. */
export type ErrorCode =
  | 'InvalidArgument'
  | 'NotFound'
  | 'AlreadyExists'
  | 'WrongState'
  | 'Busy'
  | 'DeadlineExceeded'
  | 'ResourceExhausted'
  | 'PermissionDenied'
  | 'Cancelled'
  | 'Unavailable'
  | 'Unsupported'
  | 'Internal';

export interface BerthErrorOptions {
  readonly cause?: unknown;
  /** The field of the request that is wrong, as the caller wrote it: `mounts[0].source`. */
  readonly field?: string;
  /** What a shell would exit with, for a command that could not be run: 126, 127. */
  readonly exitCode?: number;
}

/**
 * The one error class of the engine. The message is a sentence: action, quoted subject, colon, fact.
 * "Already stopped" and the like are results, never errors.
 */
export class BerthError extends Error {
  readonly code: ErrorCode;
  readonly field: string | undefined;
  readonly exitCode: number | undefined;

  constructor(code: ErrorCode, message: string, options: BerthErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'BerthError';
    this.code = code;
    this.field = options.field;
    this.exitCode = options.exitCode;
  }
}

/**
 * The code that a caller should see. A `SuppressedError` is what `AsyncDisposableStack` throws when an undo step fails
 * too: the real cause is in `suppressed`, so that is where the code comes from.
 */
export function errorCodeOf(error: unknown): ErrorCode {
  const cause = underlying(error);
  if (cause instanceof BerthError) return cause.code;
  switch (errnoOf(cause)) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EMFILE':
    case 'ENFILE':
    case 'ENOMEM':
      return 'ResourceExhausted';
    default:
      return 'Internal';
  }
}

/** The real cause under any undo failures that were chained onto it. */
export function underlying(error: unknown): unknown {
  let cause = error;
  while (cause instanceof SuppressedError) cause = cause.suppressed;
  return cause;
}

/** The system's error name (`ENOENT`), when the error carries one. */
export function errnoOf(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string' && /^E[A-Z0-9]+$/.test(error.code)) {
    return error.code;
  }
  return undefined;
}

export function messageOf(error: unknown): string {
  const cause = underlying(error);
  return cause instanceof Error ? cause.message : String(cause);
}

/** True for the errors that mean "it was not there", which most removals want to hear. */
export function isMissing(error: unknown): boolean {
  return errnoOf(error) === 'ENOENT';
}

/** Makes an `Error` of whatever was thrown, so that the rest of the program deals with errors only. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
