import { BerthError, asError, errnoOf, underlying } from '../base/errors.ts';

/**
 * Says of an error that the disk is full, if it means that.
 * @param what the action: `Cannot import archive`
 */
export function explainFullDisk(error: unknown, what: string): Error {
  const errno = errnoOf(underlying(error));
  if (errno !== 'ENOSPC' && errno !== 'EDQUOT') return asError(error);
  return new BerthError('ResourceExhausted', `${what}: the disk is full`, { cause: error });
}
