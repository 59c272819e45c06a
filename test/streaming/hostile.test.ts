import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { suite, test } from 'node:test';
import type { TestContext } from 'node:test';
import { setTimeout as sleepFor } from 'node:timers/promises';
import type { StreamingServer } from '../../src/api/streaming/index.ts';
import { commandClient, spdyClient, statusOf } from '../support/command-client.ts';
import { askToUpgrade } from '../support/http-upgrade.ts';
import { repetitions } from '../support/scale.ts';
import { BlockDeflater, controlFrame, dataFrame, plainBlock, u32 } from '../support/spdy-client.ts';
import { cat, execOrder, streamingServer } from '../support/streaming-server.ts';
import { WebSocketClient } from '../support/websocket-client.ts';

const FLAGS = { stdin: true, stdout: true, tty: true };
const SPDY = ['Connection: Upgrade', 'Upgrade: SPDY/3.1', 'X-Stream-Protocol-Version: v4.channel.k8s.io'];

/** The same numbers for the same seed, so that a failure can be repeated. */
function numbersFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** A session that counts how many of its kind are running. */
function counted() {
  const counts = { started: 0, running: 0 };
  const order = execOrder(async (io, signal) => {
    counts.started += 1;
    counts.running += 1;
    const gone = new Promise((resolve) => signal.addEventListener('abort', resolve));
    await Promise.race([cat(io), gone]);
    counts.running -= 1;
    return { code: 0 };
  }, FLAGS);
  return { order, counts };
}

async function rawSpdy(url: string): Promise<Socket> {
  const { socket } = await askToUpgrade(url, 'POST', SPDY);
  return socket.resume();
}

/** Frames as a client begins with, and what may follow. */
async function usualFrames(): Promise<Buffer[]> {
  const deflater = new BlockDeflater();
  const frames: Buffer[] = [];
  for (const [i, streamtype] of ['error', 'stdin', 'stdout', 'resize'].entries()) {
    const block = await deflater.deflate(plainBlock({ streamtype }));
    frames.push(controlFrame(1, 0, Buffer.concat([u32(2 * i + 1, 0), Buffer.from([0, 0]), block])));
  }
  frames.push(dataFrame(7, 0, Buffer.from('{"Width":80,"Height":24}')));
  for (let i = 0; i < 5; i += 1) frames.push(dataFrame(3, 0, randomBytes(1_000)), controlFrame(6, 0, u32(2 * i + 1)));
  frames.push(controlFrame(3, 0, u32(5, 5)), controlFrame(8, 0, u32(1)), controlFrame(9, 0, u32(1, 100)));
  frames.push(dataFrame(3, 1, Buffer.alloc(0)), controlFrame(7, 0, u32(0, 0)));
  return frames;
}

async function expectToServe(t: TestContext, server: StreamingServer): Promise<void> {
  const flags = { stdin: true, stdout: true };
  const client = await commandClient(t, 'spdy', server.urlForExec(execOrder(cat, flags)), flags);
  await client.write('fine');
  client.endInput();
  assert.partialDeepStrictEqual(await statusOf(client), { status: 'Success' });
  assert.equal(client.stdout.text, 'fine');
}

async function untilZero(count: () => number): Promise<void> {
  for (let tries = 0; count() > 0; tries += 1) {
    if (tries > 500) throw new Error(`${count()} are left`);
    await sleepFor(10);
  }
}

suite('a server', () => {
  test('survives every kind of nonsense in SPDY', async (t) => {
    const server = await streamingServer(t, { lingerMs: 100, streamCreationMs: 500 });
    const { order, counts } = counted();
    const usual = Buffer.concat(await usualFrames());
    const rounds = repetitions(3_000);

    for (let round = 0; round < rounds; round += 1) {
      const below = numbersFrom(round);
      const socket = await rawSpdy(server.urlForExec(order));
      const bytes = Buffer.from(usual);
      for (let i = below(4); i >= 0; i -= 1) bytes[below(bytes.length)] = below(256);
      const kind = below(4);
      if (kind === 0) socket.end(bytes.subarray(0, below(bytes.length)));
      else if (kind === 1)
        socket.end(Buffer.concat([usual.subarray(0, below(usual.length)), randomBytes(below(5_000))]));
      else if (kind === 2) socket.write(bytes, () => socket.resetAndDestroy());
      else socket.end(bytes);
      await closed(socket, `round ${round}`);
    }

    await untilZero(() => counts.running);
    assert.ok(counts.started > rounds / 10, `${counts.started} of ${rounds} got so far as to start`);
    await expectToServe(t, server);
  });

  test('survives every kind of nonsense in WebSockets', async (t) => {
    const server = await streamingServer(t, { lingerMs: 100 });
    const { order, counts } = counted();
    const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io', 'base64.channel.k8s.io'];
    const rounds = repetitions(3_000);

    for (let round = 0; round < rounds; round += 1) {
      const below = numbersFrom(round);
      const url = server.urlForExec(order);
      const client = await WebSocketClient.connect(url, [protocols[below(3)] ?? ''], () => undefined);
      const { socket } = client;
      for (let i = below(10); i >= 0; i -= 1) client.frame(below(3), randomBytes(below(300)));
      client.frame(2, Buffer.from([255, below(256)]));
      const kind = below(4);
      if (kind === 0) socket.end(randomBytes(below(3_000)));
      else if (kind === 1) client.frame(below(16), randomBytes(below(200)));
      else if (kind === 2) socket.write(Buffer.from([0x82, 0xff, 0x7f, ...randomBytes(11)])); // 9 exabytes
      if (kind !== 0) socket.end();
      await closed(socket, `round ${round}`);
    }

    await untilZero(() => counts.running);
    assert.equal(counts.started, rounds);
    await expectToServe(t, server);
  });

  test('survives nonsense in tunnels and in requests', async (t) => {
    const server = await streamingServer(t, { lingerMs: 100, handshakeMs: 1_000 });
    const order = { ports: [1], forward: async () => undefined };

    for (let round = 0; round < repetitions(500); round += 1) {
      const below = numbersFrom(round);
      const protocol = 'SPDY/3.1+portforward.k8s.io';
      const client = await WebSocketClient.connect(server.urlForPortForward(order), [protocol], () => undefined);
      for (let i = below(5); i >= 0; i -= 1) client.frame(1 + below(2), randomBytes(below(300)));
      client.socket.end();
      const { hostname, port } = new URL(server.urlForPortForward(order));
      const socket = connect({ host: hostname, port: Number(port) });
      socket.on('error', () => undefined).resume();
      socket.end(
        below(2) === 0 ? randomBytes(500) : `GET /exec/${'%00'.repeat(below(50))} HTTP/1.1\r\nUpgrade: x\r\n\r\n`,
      );
      await Promise.all([closed(socket, 'a request'), client.closed]);
    }

    await expectToServe(t, server);
  });

  for (const [what, frame] of [
    ['a frame of another version', u32(0x8002_0001, 0)],
    ['a control frame of 16 MiB', u32(0x8003_0001, 0xff_ffff)],
    ['data for stream 0', dataFrame(0, 0, Buffer.from('x'))],
    ['a stream without a header block', controlFrame(1, 0, Buffer.alloc(10))],
    ['a ping of the wrong length', controlFrame(6, 0, Buffer.alloc(5))],
    ['a reset of the wrong length', controlFrame(3, 0, Buffer.alloc(7))],
  ] as const) {
    test(`says goodbye to a client that sends ${what}`, async (t) => {
      const server = await streamingServer(t);
      const client = await spdyClient(server.urlForExec(counted().order), 'v4.channel.k8s.io');

      client.send(frame);
      await client.closed;

      assert.equal(client.goAway?.status, 1);
    });
  }

  test('ends a connection whose header block unpacks to too much', async (t) => {
    const server = await streamingServer(t);
    const client = await spdyClient(server.urlForExec(counted().order), 'v4.channel.k8s.io');
    const bomb = await new BlockDeflater().deflate(plainBlock({ streamtype: 'x'.repeat(30 << 20) }));

    client.send(controlFrame(1, 0, Buffer.concat([u32(1, 0), Buffer.from([0, 0]), bomb])));
    await client.closed;

    assert.equal(client.goAway?.status, 1);
  });

  test('reads no more of a client that asks and does not read the answers', async (t) => {
    const server = await streamingServer(t);
    const pings = Buffer.concat(Array.from({ length: 5_000 }, () => controlFrame(6, 0, u32(1))));
    const client = await spdyClient(server.urlForExec(counted().order), 'v4.channel.k8s.io');
    t.after(() => client.transport.destroy());

    client.transport.pause();
    let bytes = 0;
    for (; client.send(pings) || (await drainsIn(client.transport as Socket, 500)); bytes += pings.length) {
      assert.ok(bytes < 64 << 20, 'the server takes pings for ever');
    }

    client.transport.resume();
    await client.roundTrip();
    await expectToServe(t, server);
  });

  test('reads no more of a WebSocket that asks and does not read the answers', async (t) => {
    const server = await streamingServer(t);
    const client = await WebSocketClient.connect(server.urlForExec(counted().order), [], () => undefined);
    t.after(() => client.socket.destroy());

    client.socket.pause();
    const question = Buffer.alloc(125);
    for (let bytes = 0; client.frame(9, question) || (await drainsIn(client.socket, 500)); bytes += question.length) {
      assert.ok(bytes < 64 << 20, 'the server takes pings for ever');
    }

    await expectToServe(t, server);
  });

  test('survives streams that are opened and reset as fast as possible', async (t) => {
    const server = await streamingServer(t);
    let running = 0;
    let most = 0;
    const forward = async (): Promise<void> => {
      running += 1;
      most = Math.max(most, running);
      await sleepFor(20);
      running -= 1;
    };
    const client = await spdyClient(server.urlForPortForward({ ports: [], forward }), 'portforward.k8s.io');
    const refused = await Promise.all(
      Array.from({ length: 10_000 }, async (_, i) => {
        const headers = { port: '80', requestid: String(i >> 1), streamtype: i % 2 === 0 ? 'error' : 'data' };
        const opening = client.open(headers).then(
          () => 0,
          () => 1,
        );
        client.reset({ id: 2 * i + 1 } as never);
        return await opening;
      }),
    );

    assert.ok(most <= 1_000, `${most} connections at once`);
    assert.equal(refused.length, 10_000);
    client.transport.destroy();
    await untilZero(() => running);
    await expectToServe(t, server);
  });
});

async function closed(socket: Socket, what: string): Promise<void> {
  for (let tries = 0; !socket.closed; tries += 1) {
    assert.ok(tries < 5_000, `${what} is not over`);
    await sleepFor(1);
  }
}

async function drainsIn(socket: Socket, ms: number): Promise<boolean> {
  return await once(socket, 'drain', { signal: AbortSignal.timeout(ms) }).then(
    () => true,
    () => false,
  );
}
