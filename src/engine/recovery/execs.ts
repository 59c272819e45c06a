import { messageOf } from '../../base/errors.ts';
import type { CreateParts } from '../container/create.ts';
import { currentRun } from '../container/state.ts';
import { detach } from '../detach.ts';
import { runtimeOf } from '../parts.ts';
import type { ExecRow } from '../rows.ts';

const LOOK_EVERY_MS = 1_000;

/** Probes of an earlier daemon are ended, as nobody waits for them; commands of people go on. */
export async function recoverExecs(parts: CreateParts, rows: readonly ExecRow[]): Promise<void> {
  await Promise.all(rows.map((row) => recoverExec(parts, row)));
}

async function recoverExec(parts: CreateParts, row: ExecRow): Promise<void> {
  const { id, identity } = row;
  const actor = parts.containers.get(row.containerId);
  if (actor !== undefined && identity !== undefined && currentRun(actor.state)?.number === row.run) {
    const runtime = runtimeOf(parts, actor.spec);
    if (row.onDaemonEnd === 'keep' && runtime.isAlive(identity)) {
      detach(
        parts.log,
        'exec',
        tellItsEnd(parts, row, () => runtime.isAlive(identity)),
      );
      return;
    }
    try {
      await runtime.killExec(actor.run(row.run), id, identity);
    } catch (error) {
      parts.log.error('exec of an earlier daemon could not be killed', { exec: id, error: messageOf(error) });
    }
  }
  parts.journal.record({ removed: { execs: [id] } }, []);
}

/** Its daemon took its output and its exit code along; that it ended is all that is left to tell. */
async function tellItsEnd(parts: CreateParts, row: ExecRow, isAlive: () => boolean): Promise<void> {
  while (isAlive()) {
    await parts.clock.sleep(LOOK_EVERY_MS, parts.shutdown);
    if (parts.shutdown.aborted) return;
  }
  const { id, containerId: container, run } = row;
  parts.journal.record({ removed: { execs: [id] } }, [{ type: 'exec.ended', container, run, body: { exec: id } }]);
}
