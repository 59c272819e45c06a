import { BerthError } from '../../../base/errors.ts';
import { formatDuration } from '../../../base/units.ts';
import type { ExecSession } from '../../../engine/index.ts';
import type { ExecSyncRequest, ExecSyncResponse } from '../../../gen/cri/api.ts';
import type { Call } from '../call.ts';
import { findContainer } from '../find.ts';

/**
 * Output beyond this is read and thrown away, so that the command goes on. The whole answer fits in what clients take:
 * 16 MiB, with the few bytes around the output. @see cri-api ExecSyncResponse
 */
const MOST_OUTPUT_BYTES = (16 << 20) - 64;

/**
 * Runs a command until it ends. What it returns is no error, whatever it is.
 * @throws BerthError DeadlineExceeded when its timeout has passed; it and all that it started are dead then
 */
export async function execSync(request: ExecSyncRequest, call: Call): Promise<ExecSyncResponse> {
  const { engine, requester, signal } = call;
  const { row } = findContainer(engine, request.containerId);
  const timeoutMs = Number(request.timeout) * 1_000;
  const session = await engine.containers.exec(row.spec.id, {
    args: request.cmd,
    onDaemonEnd: 'kill',
    requester,
    signal,
    ...(timeoutMs > 0 ? { timeoutMs } : {}),
  });
  const { stdout, stderr } = await outputOf(session);
  const { code, isTimedOut } = await session.ended;
  if (!isTimedOut) return { stdout, stderr, exitCode: code };
  const command = `"${request.cmd[0] ?? ''}" in container "${row.spec.name}"`;
  throw new BerthError('DeadlineExceeded', `Cannot run ${command}: it was killed after ${formatDuration(timeoutMs)}`);
}

async function outputOf(session: ExecSession): Promise<{ readonly stdout: Buffer; readonly stderr: Buffer }> {
  const kept = { stdout: new Array<Uint8Array>(), stderr: new Array<Uint8Array>() };
  let room = MOST_OUTPUT_BYTES;
  for await (const { stream, data } of session.output) {
    if (room === 0) continue;
    const part = data.subarray(0, room);
    kept[stream].push(part);
    room -= part.length;
  }
  return { stdout: Buffer.concat(kept.stdout), stderr: Buffer.concat(kept.stderr) };
}
