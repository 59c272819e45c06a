import type { TestContext } from 'node:test';
import { openStreaming } from '../../src/api/streaming/index.ts';
import type { ExecOrder, Limits, SessionStreams, StreamingServer } from '../../src/api/streaming/index.ts';
import { silentLog } from '../../src/base/log.ts';

/** A streaming server that ends with the test, which fails when it logs an error. */
export async function streamingServer(t: TestContext, limits: Partial<Limits> = {}): Promise<StreamingServer> {
  const failures: string[] = [];
  const log = {
    ...silentLog,
    error: (message: string, fields = {}) => failures.push(`${message} ${JSON.stringify(fields)}`),
  };
  const server = await openStreaming({ log, limits });
  t.after(async () => {
    await server.close();
    if (failures.length > 0) throw new Error(`the server logged errors: ${failures.join('; ')}`);
  });
  return server;
}

export function execOrder(exec: ExecOrder['exec'], flags: Partial<Omit<ExecOrder, 'exec'>> = {}): ExecOrder {
  return { stdin: false, stdout: false, stderr: false, tty: false, ...flags, exec };
}

/** A command that prints what it reads. */
export async function cat({ stdin, stdout }: SessionStreams): Promise<{ code: number }> {
  for await (const data of stdin ?? []) await stdout?.write(data);
  return { code: 0 };
}

/** A command that runs until its session is over, and then says why. */
export function untilAborted(aborted: (reason: unknown) => void): ExecOrder['exec'] {
  return (_, signal) =>
    new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        aborted(signal.reason);
        resolve({ code: 1 });
      });
    });
}
