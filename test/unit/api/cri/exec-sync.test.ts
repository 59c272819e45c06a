import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExecRequest, ExecSession } from '../../../../src/engine/index.ts';
import type { OutputChunk } from '../../../../src/engine/ports.ts';
import { podContainerRow, viewOf } from '../../../support/cri-rows.ts';
import { ServedCri } from '../../../support/serve-cri.ts';

function session(
  chunks: readonly OutputChunk[],
  end: { readonly code: number; readonly isTimedOut?: boolean },
): ExecSession {
  async function* output(): AsyncGenerator<OutputChunk> {
    yield* chunks;
  }
  return {
    id: 'exec',
    output: output(),
    write: async () => undefined,
    resize: () => undefined,
    closeInput: () => undefined,
    kill: () => true,
    ended: Promise.resolve({ isTimedOut: false, isOutputCut: false, ...end }),
  };
}

const text = (stream: OutputChunk['stream'], data: string): OutputChunk => ({ stream, data: Buffer.from(data) });

test('a command that fails is an answer, with what it printed', async () => {
  const row = podContainerRow();
  const requests: Partial<ExecRequest>[] = [];
  const exec = async (_: string, { args, timeoutMs, onDaemonEnd, requester }: ExecRequest): Promise<ExecSession> => {
    requests.push({ args, requester, ...(timeoutMs && { timeoutMs }), ...(onDaemonEnd && { onDaemonEnd }) });
    return session([text('stdout', 'hel'), text('stderr', 'oh'), text('stdout', 'lo')], { code: 7 });
  };
  await using served = await ServedCri.open({ containers: { list: () => [viewOf(row)], exec } });
  const request = { containerId: row.spec.id, cmd: ['false'], timeout: 0n };
  const { stdout, stderr, exitCode } = await served.runtime.execSync(request);
  assert.deepEqual([Buffer.from(stdout).toString(), Buffer.from(stderr).toString(), exitCode], ['hello', 'oh', 7]);
  await served.runtime.execSync({ ...request, timeout: 2n });
  const common = { args: ['false'], requester: 'cri (uid 0, pid 1)', onDaemonEnd: 'kill' };
  assert.deepEqual(requests, [common, { ...common, timeoutMs: 2_000 }]);
});

test('a command that was killed after its timeout is an error that a kubelet understands', async () => {
  const row = podContainerRow({ name: 'web' });
  const exec = async (): Promise<ExecSession> => session([text('stdout', 'x')], { code: 137, isTimedOut: true });
  await using served = await ServedCri.open({ containers: { list: () => [viewOf(row)], exec } });
  await assert.rejects(served.runtime.execSync({ containerId: row.spec.id, cmd: ['sleep', '4321'], timeout: 1n }), {
    code: 4,
    details: 'Cannot run "sleep" in container "web": it was killed after 1s',
  });
});

test('a command that prints more than a client takes goes on, and the rest is lost', async () => {
  const row = podContainerRow();
  const chunks = Array.from({ length: 40 }, (_, index) => ({
    stream: index % 2 === 0 ? ('stdout' as const) : ('stderr' as const),
    data: Buffer.alloc(1 << 20, 'x'),
  }));
  const exec = async (): Promise<ExecSession> => session(chunks, { code: 0 });
  await using served = await ServedCri.open({ containers: { list: () => [viewOf(row)], exec } });
  const { stdout, stderr, exitCode } = await served.runtime.execSync({
    containerId: row.spec.id,
    cmd: ['yes'],
    timeout: 0n,
  });
  assert.equal(stdout.length + stderr.length, (16 << 20) - 64);
  assert.equal(exitCode, 0);
});
