import type { ErrorCode } from '../base/errors.ts';

/** What each code becomes on a wire, and for a shell. The only such table. */
export const ERROR_TABLE: Readonly<
  Record<ErrorCode, { readonly grpc: number; readonly http: number; readonly exit: number }>
> = {
  InvalidArgument: { grpc: 3, http: 400, exit: 2 },
  NotFound: { grpc: 5, http: 404, exit: 1 },
  AlreadyExists: { grpc: 6, http: 409, exit: 1 },
  WrongState: { grpc: 9, http: 409, exit: 1 },
  Busy: { grpc: 10, http: 409, exit: 1 },
  DeadlineExceeded: { grpc: 4, http: 504, exit: 1 },
  ResourceExhausted: { grpc: 8, http: 507, exit: 1 },
  PermissionDenied: { grpc: 7, http: 403, exit: 1 },
  Cancelled: { grpc: 1, http: 500, exit: 130 },
  Unavailable: { grpc: 14, http: 503, exit: 1 },
  Unsupported: { grpc: 12, http: 501, exit: 1 },
  Internal: { grpc: 13, http: 500, exit: 1 },
};

export function isErrorCode(text: string): text is ErrorCode {
  return text in ERROR_TABLE;
}
