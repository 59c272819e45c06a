import { BerthError, errorCodeOf, messageOf } from '../../base/errors.ts';
import { ERROR_TABLE } from '../error-table.ts';

/** The message travels in a header, and clients refuse a header that is too long. */
const LONGEST_MESSAGE = 4_096;

/** What gRPC ends a call with. */
export interface Status {
  readonly code: number;
  readonly details: string;
}

export function statusOf(error: unknown): Status {
  // half of a surrogate pair cannot be encoded for the header
  const details = messageOf(error).slice(0, LONGEST_MESSAGE).toWellFormed();
  return { code: ERROR_TABLE[errorCodeOf(error)].grpc, details };
}

/** @param field as the CRI writes it: `config.metadata.name` */
export function invalid(verb: string, field: string, fact: string, cause?: unknown): BerthError {
  return new BerthError('InvalidArgument', `Cannot ${verb}: ${field} ${fact}`, { field, cause });
}

export function unsupported(verb: string, field: string, fact: string): BerthError {
  return new BerthError('Unsupported', `Cannot ${verb}: ${field} ${fact}`, { field });
}
