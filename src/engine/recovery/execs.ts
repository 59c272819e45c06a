import { messageOf } from '../../base/errors.ts';
import type { CreateParts } from '../container/create.ts';
import { currentRun } from '../container/state.ts';
import { runtimeOf } from '../parts.ts';
import type { ExecRow } from '../rows.ts';

/** Probes of an earlier daemon are ended, as nobody waits for them; commands of people go on. */
export async function recoverExecs(parts: CreateParts, rows: readonly ExecRow[]): Promise<void> {
  await Promise.all(rows.map((row) => recoverExec(parts, row)));
}

async function recoverExec(parts: CreateParts, row: ExecRow): Promise<void> {
  const { id, identity } = row;
  const actor = parts.containers.get(row.containerId);
  if (actor !== undefined && identity !== undefined && currentRun(actor.state)?.number === row.run) {
    const runtime = runtimeOf(parts, actor.spec);
    if (row.onDaemonEnd === 'keep' && runtime.isAlive(identity)) return;
    try {
      await runtime.killExec(actor.run(row.run), id, identity);
    } catch (error) {
      parts.log.error('exec of an earlier daemon could not be killed', { exec: id, error: messageOf(error) });
    }
  }
  parts.journal.record({ removed: { execs: [id] } }, []);
}
