import { errorCodeOf, messageOf } from '../../base/errors.ts';
import { shortId } from '../../base/ids.ts';
import type { Client, DoctorAnswer } from '../../client/index.ts';
import { ownVersion } from '../own-version.ts';
import type { Finding } from './finding.ts';
import { error, ok, warning } from './finding.ts';

const ANSWER_WITHIN_MS = 5_000;

/** Whether the daemon answers, and what it finds itself. */
export async function examineDaemon(client: Client): Promise<Finding[]> {
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
  try {
    const { version, pid } = await client.version({ signal });
    const { findings, foreign } = await client.doctor({ signal });
    const there = ok(`The daemon answers at ${client.socket}: version ${version}, process ${pid}`);
    return [there, ...examineVersion(version), ...findings, ...foreign.map(describeForeign)];
  } catch (failure) {
    if (errorCodeOf(failure) !== 'Cancelled') return [describeFailure(client, failure)];
    const text = `The daemon at ${client.socket} does not answer within ${ANSWER_WITHIN_MS / 1_000} s`;
    return [error(text, 'see its log, and end it with SIGKILL if it hangs: containers outlive it')];
  }
}

function examineVersion(version: string): Finding[] {
  const own = ownVersion();
  if (version === own) return [];
  const text = `The daemon is version ${version} and this program ${own}`;
  return [warning(text, 'restart the daemon: containers outlive it')];
}

function describeForeign({ container, run, processes }: DoctorAnswer['foreign'][number]): Finding {
  const id = shortId(container);
  const count = `${processes} ${processes === 1 ? 'process' : 'processes'}`;
  return warning(
    `Run ${run} of ${id} lives with ${count} and belongs to no container`,
    `take it in with "berth doctor --adopt ${id}", or end it with "berth doctor --remove ${id}"`,
  );
}

function describeFailure({ socket }: Client, failure: unknown): Finding {
  const message = messageOf(failure);
  if (errorCodeOf(failure) === 'PermissionDenied') return error(message, 'or run "berth doctor" as root');
  const isAway = errorCodeOf(failure) === 'Unavailable';
  return isAway ? error(`No daemon answers at ${socket}`, 'start it: berth serve') : error(message, 'see its log');
}
