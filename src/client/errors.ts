import { readFileSync, statSync } from 'node:fs';
import { isErrorCode } from '../api/error-table.ts';
import type { ErrorBody } from '../api/berth/index.ts';
import { abortError } from '../base/abort.ts';
import { BerthError, errnoOf, messageOf } from '../base/errors.ts';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ENOTDIR: 'there is no such socket',
  ECONNREFUSED: 'nobody listens there',
  ENOTSOCK: 'it is no socket',
};

/** What it means that no answer came at all. */
export function unreachableError(socket: string, cause: unknown): BerthError {
  const errno = errnoOf(cause);
  if (errno === 'EACCES' || errno === 'EPERM') {
    const message = `Cannot reach berth at "${socket}": permission denied: ${whoMayUse(socket)}`;
    return new BerthError('PermissionDenied', message, { cause });
  }
  const reason = REASONS[errno ?? ''] ?? messageOf(cause);
  const advice = 'is the daemon running? start it with "berth serve"';
  return new BerthError('Unavailable', `Cannot reach berth at "${socket}": ${reason}: ${advice}`, { cause });
}

/** What it means that an answer broke off. */
export function brokenError(socket: string, cause: unknown, signal?: AbortSignal): BerthError {
  if (cause instanceof BerthError) return cause;
  if (signal?.aborted === true) return abortError(signal);
  const message = `Cannot hear berth at "${socket}" any more: the daemon went away in the middle of its answer`;
  return new BerthError('Unavailable', message, { cause });
}

/** An error as the server wrote it. What is none of ours is told as it is. */
export function serverError(body: string, status: number | undefined): BerthError {
  try {
    const parsed: unknown = JSON.parse(body);
    if (isErrorBody(parsed)) return errorOf(parsed);
  } catch {
    // somebody else's page: it is told below
  }
  return new BerthError(
    'Internal',
    `Cannot understand the answer: status ${status ?? 'unknown'}: ${body.slice(0, 200)}`,
  );
}

export function errorOf({ error: { code, message, field, exitCode } }: ErrorBody): BerthError {
  const details = { ...(field === undefined ? {} : { field }), ...(exitCode === undefined ? {} : { exitCode }) };
  return new BerthError(isErrorCode(code) ? code : 'Internal', message, details);
}

export function isErrorBody(value: unknown): value is ErrorBody {
  if (typeof value !== 'object' || value === null || !('error' in value)) return false;
  const { error } = value;
  return typeof error === 'object' && error !== null && 'code' in error && 'message' in error;
}

function whoMayUse(socket: string): string {
  try {
    const { gid } = statSync(socket);
    const group = new RegExp(`^([^:]+):[^:]*:${gid}:`, 'm').exec(readFileSync('/etc/group', 'utf8'))?.[1];
    if (gid !== 0) return `it belongs to group "${group ?? gid}": ask root to add you to it`;
  } catch {
    // its folder is closed to us as well: the same answer as for root's own
  }
  return 'only root may use it';
}
