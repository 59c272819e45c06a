import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setTimeout as sleepFor } from 'node:timers/promises';
import type { AttachOrder } from '../../src/api/streaming/index.ts';
import { BerthError } from '../../src/base/errors.ts';
import { commandClient, statusOf, TRANSPORTS } from '../support/command-client.ts';
import type { CommandClient } from '../support/command-client.ts';
import { execOrder, streamingServer, untilAborted } from '../support/streaming-server.ts';

const MIB = 1 << 20;
const PIECE = Buffer.alloc(64 << 10, 'x');
const BOTH = { stdin: true, stdout: true };

/** Writes until the other side has taken nothing for a while, and at least a megabyte before. Returns what it took. */
async function writeUntilStuck(client: CommandClient): Promise<number> {
  for (let bytes = 0; ; bytes += PIECE.length) {
    assert.ok(bytes < 64 * MIB, 'it takes everything, and nobody reads it');
    const taken = client.write(PIECE).then(() => true);
    while (!(await Promise.race([taken, sleepFor(500, false)]))) if (bytes >= MIB) return bytes;
  }
}

for (const transport of TRANSPORTS) {
  suite(`over ${transport}`, () => {
    test('a command waits for a client that reads slowly, and all arrives', async (t) => {
      const server = await streamingServer(t);
      let written = 0;
      const total = 32 * MIB;
      const { promise: isStuck, resolve } = Promise.withResolvers<void>();
      const order = execOrder(
        async ({ stdout }) => {
          for (; written < total; written += PIECE.length) {
            const wait = stdout?.write(PIECE);
            if ((await Promise.race([wait, sleepFor(300, 'stuck')])) === 'stuck') resolve();
            await wait;
          }
          return { code: 0 };
        },
        { stdout: true },
      );
      const client = await commandClient(t, transport, server.urlForExec(order), { stdout: true });

      client.freeze();
      await isStuck;
      const before = written;
      client.thaw();

      assert.ok(before < 16 * MIB, `${before} bytes were written to a client that does not read`);
      assert.partialDeepStrictEqual(await statusOf(client), { status: 'Success' });
      assert.equal(client.stdout.bytes, total);
    });

    test('output that waits for nobody drops a client that is too slow, and tells it', async (t) => {
      const server = await streamingServer(t, { outputCapBytes: MIB });
      const { promise: aborted, resolve } = Promise.withResolvers<unknown>();
      let written = 0;
      const attach: AttachOrder['attach'] = async ({ stdout }, signal) => {
        while (!signal.aborted) {
          void stdout?.write(PIECE);
          written += PIECE.length;
          await sleepFor(1);
        }
        resolve(signal.reason);
      };
      const url = server.urlForAttach({ stdin: false, stdout: true, stderr: false, tty: false, attach });
      const client = await commandClient(t, transport, url, { stdout: true });

      client.freeze();
      const reason = await aborted;
      client.thaw();

      assert.ok(reason instanceof BerthError && reason.code === 'ResourceExhausted', String(reason));
      assert.ok(written < 32 * MIB, `${written} bytes`);
      assert.partialDeepStrictEqual(await statusOf(client), {
        status: 'Failure',
        message: 'Cannot go on: the client does not read its output',
      });
    });

    test('a client is held up by a command that does not read, and is told of its end all the same', async (t) => {
      const server = await streamingServer(t);
      const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>();
      const order = execOrder(async () => {
        await mayEnd;
        return { code: 0 };
      }, BOTH);
      const client = await commandClient(t, transport, server.urlForExec(order), BOTH);

      const taken = await writeUntilStuck(client);
      end();

      assert.ok(taken < 24 * MIB, `${taken} bytes were taken that nobody reads`);
      assert.partialDeepStrictEqual(await statusOf(client), { status: 'Success' });
    });

    test('a client that goes away while it is held up is missed', async (t) => {
      const server = await streamingServer(t, { beatMs: 50 });
      const { promise: aborted, resolve } = Promise.withResolvers<unknown>();
      const client = await commandClient(t, transport, server.urlForExec(execOrder(untilAborted(resolve), BOTH)), BOTH);

      await writeUntilStuck(client);
      client.vanish();

      const reason = await aborted;
      assert.ok(reason instanceof BerthError && reason.code === 'Cancelled', String(reason));
    });

    test('a session in which nothing is said ends, and one in which something is said does not', async (t) => {
      const server = await streamingServer(t, { idleMs: 400 });
      const order = execOrder(
        untilAborted(() => undefined),
        BOTH,
      );
      const client = await commandClient(t, transport, server.urlForExec(order), BOTH);

      for (let i = 0; i < 8; i += 1) {
        await sleepFor(100);
        await client.write('x');
      }
      assert.equal(client.status.text, '');

      assert.partialDeepStrictEqual(await statusOf(client), {
        status: 'Failure',
        message: 'Cannot go on: the connection was idle for 400 ms',
      });
    });

    test('a server that ends does not wait for a client that reads nothing', async (t) => {
      const server = await streamingServer(t);
      const { promise: isStuck, resolve } = Promise.withResolvers<void>();
      const order = execOrder(async ({ stdout }, signal) => {
        while (!signal.aborted) {
          const wait = stdout?.write(PIECE);
          if ((await Promise.race([wait, sleepFor(300, 'stuck')])) === 'stuck') resolve();
          await wait;
        }
        return { code: 0 };
      }, BOTH);
      const client = await commandClient(t, transport, server.urlForExec(order), BOTH);
      client.freeze();
      await isStuck;

      const started = performance.now();
      await server.close();

      assert.ok(performance.now() - started < 4_000);
    });
  });
}
