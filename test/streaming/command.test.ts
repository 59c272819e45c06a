import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { BerthError } from '../../src/base/errors.ts';
import { commandClient, statusOf, TRANSPORTS } from '../support/command-client.ts';
import { repetitions } from '../support/scale.ts';
import { cat, execOrder, streamingServer, untilAborted } from '../support/streaming-server.ts';

const ALL = { stdin: true, stdout: true, stderr: true };

function nonZero(code: number) {
  return {
    metadata: {},
    status: 'Failure',
    message: `command ended with exit code ${code}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  };
}

for (const transport of TRANSPORTS) {
  suite(`a command over ${transport}`, () => {
    test('gets its input, gives its output and its errors, and tells its exit code', async (t) => {
      const server = await streamingServer(t);
      const order = execOrder(async (io) => {
        await io.stderr?.write(Buffer.from('oh'));
        await cat(io);
        return { code: 3 };
      }, ALL);
      const client = await commandClient(t, transport, server.urlForExec(order), ALL);

      await client.write('hello ');
      await client.write('world');
      client.endInput();

      assert.deepEqual(await statusOf(client), nonZero(3));
      assert.deepEqual([client.stdout.text, client.stderr.text], ['hello world', 'oh']);
    });

    test('that ends well says so, although its input is still open', async (t) => {
      const server = await streamingServer(t);
      const order = execOrder(async () => ({ code: 0 }), ALL);
      const client = await commandClient(t, transport, server.urlForExec(order), ALL);

      assert.deepEqual(await statusOf(client), { metadata: {}, status: 'Success' });
    });

    test('that cannot be run says why', async (t) => {
      const server = await streamingServer(t);
      const order = execOrder(() => Promise.reject(new BerthError('NotFound', 'Cannot run "x": no such file')), ALL);
      const client = await commandClient(t, transport, server.urlForExec(order), ALL);

      assert.deepEqual(await statusOf(client), {
        metadata: {},
        status: 'Failure',
        message: 'Cannot run "x": no such file',
        reason: 'InternalError',
        details: { causes: [{ message: 'Cannot run "x": no such file' }] },
        code: 500,
      });
    });

    test('carries much in both directions at once without loss', async (t) => {
      const server = await streamingServer(t);
      const flags = { stdin: true, stdout: true };
      const client = await commandClient(t, transport, server.urlForExec(execOrder(cat, flags)), flags);
      const piece = Buffer.alloc(100_000, 'some bytes');

      const pieces = repetitions(2_000); // 200 MB
      for (let i = 0; i < pieces; i += 1) await client.write(piece);
      client.endInput();

      assert.deepEqual(await statusOf(client), { metadata: {}, status: 'Success' });
      assert.equal(client.stdout.bytes, pieces * piece.length);
    });

    test('with a terminal hears of its size, the newest one only if it is slow', async (t) => {
      const server = await streamingServer(t);
      const flags = { stdin: true, stdout: true, tty: true };
      const { promise: mayLook, resolve: look } = Promise.withResolvers<void>();
      const order = execOrder(async ({ resizes, stdout }) => {
        await mayLook;
        for await (const { width, height } of resizes) {
          await stdout?.write(Buffer.from(`${width}x${height};`));
          if (width === 4) break;
        }
        return { code: 0 };
      }, flags);
      const client = await commandClient(t, transport, server.urlForExec(order), flags);

      client.resize('{"Width":1,"Height":1}{"Width":2,"Height":');
      client.resize('2}');
      client.resize('{"Width":0,"Height":0}');
      await client.roundTrip();
      look();
      await client.stdout.matches(/2x2;$/);
      client.resize('no size}\n{"width":4,"height":65535}');

      assert.deepEqual(await statusOf(client), { metadata: {}, status: 'Success' });
      assert.equal(client.stdout.text, '2x2;4x65535;');
    });

    test('learns that its client is gone, and still gets what that had sent', async (t) => {
      const server = await streamingServer(t);
      const { promise: aborted, resolve } = Promise.withResolvers<unknown>();
      const { promise: input, resolve: gotInput } = Promise.withResolvers<string>();
      const order = execOrder(async ({ stdin }, signal) => {
        await untilAborted(resolve)({} as never, signal);
        let text = '';
        for await (const data of stdin ?? []) text += Buffer.from(data).toString();
        gotInput(text);
        return { code: 0 };
      }, ALL);
      const client = await commandClient(t, transport, server.urlForExec(order), ALL);

      await client.write('last words');
      await client.roundTrip();
      client.vanish();

      const reason = await aborted;
      assert.ok(reason instanceof BerthError && reason.code === 'Cancelled', String(reason));
      assert.equal(await input, 'last words');
    });

    test('of an attach has no exit code', async (t) => {
      const server = await streamingServer(t);
      const url = server.urlForAttach({
        stdin: false,
        stdout: true,
        stderr: true,
        tty: false,
        attach: async ({ stdout, stderr }) => {
          await Promise.all([stdout?.write(Buffer.from('out')), stderr?.write(Buffer.from('err'))]);
        },
      });
      const client = await commandClient(t, transport, url, { stdout: true, stderr: true });

      assert.deepEqual(await statusOf(client), { metadata: {}, status: 'Success' });
      assert.deepEqual([client.stdout.text, client.stderr.text], ['out', 'err']);
    });

    test('whose session is ended by the server tells the client that it failed', async (t) => {
      const server = await streamingServer(t);
      const order = execOrder(
        untilAborted(() => undefined),
        ALL,
      );
      const client = await commandClient(t, transport, server.urlForExec(order), ALL);

      const [status] = await Promise.all([statusOf(client), server.close()]);

      assert.partialDeepStrictEqual(status, { status: 'Failure', message: 'Cannot go on: the server is ending' });
    });
  });
}

suite('an old client', () => {
  const flags = { stdin: true, stdout: true, stderr: true };

  for (const [transport, protocol, isJson] of [
    ['spdy', 'channel.k8s.io', false],
    ['spdy', 'v2.channel.k8s.io', false],
    ['spdy', 'v3.channel.k8s.io', false],
    ['spdy', 'v5.channel.k8s.io', true],
    ['websocket', '', false],
    ['websocket', 'channel.k8s.io', false],
    ['websocket', 'base64.channel.k8s.io', false],
    ['websocket', 'v4.channel.k8s.io', true],
    ['websocket', 'v4.base64.channel.k8s.io', true],
  ] as const) {
    test(`that speaks "${protocol}" over ${transport} is understood`, async (t) => {
      const server = await streamingServer(t);
      const order = execOrder(async ({ stdin, stdout }) => {
        for await (const data of stdin ?? []) {
          await stdout?.write(data);
          break; // nobody can say before v5 that there is no more
        }
        return { code: 7 };
      }, flags);
      const client = await commandClient(t, transport, server.urlForExec(order), flags, protocol);

      await client.write('möre');
      await client.closed;

      assert.equal(client.stdout.text, 'möre');
      assert.equal(client.status.text, isJson ? JSON.stringify(nonZero(7)) : 'command ended with exit code 7');
    });
  }
});
