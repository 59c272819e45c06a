import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { suite, test } from 'node:test';
import { openStreaming } from '../../src/api/streaming/index.ts';
import { silentLog } from '../../src/base/log.ts';
import { commandClient, statusOf } from '../support/command-client.ts';
import { askToUpgrade } from '../support/http-upgrade.ts';
import { controlFrame, plainBlock, BlockDeflater, SpdyClient, u32 } from '../support/spdy-client.ts';
import { execOrder, streamingServer } from '../support/streaming-server.ts';

const SPDY = ['Connection: Upgrade', 'Upgrade: SPDY/3.1', 'X-Stream-Protocol-Version: v4.channel.k8s.io'];
const WEBSOCKET = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];
const ORDER = execOrder(async () => ({ code: 0 }), { stdout: true });

/** The status of the answer. */
async function statusFor(url: string, method: string, headers: readonly string[]): Promise<number> {
  const { socket, status } = await askToUpgrade(url, method, headers);
  socket.destroy();
  return status;
}

suite('a URL', () => {
  test('is absolute and has a token that nobody can guess', async (t) => {
    const server = await streamingServer(t);

    const urls = [
      server.urlForExec(ORDER),
      server.urlForAttach({ ...ORDER, attach: async () => undefined }),
      server.urlForPortForward({ ports: [], forward: async () => undefined }),
    ];

    assert.match(urls[0] ?? '', /^http:\/\/127\.0\.0\.1:\d+\/exec\/[\w-]{22}$/);
    assert.match(urls[1] ?? '', /^http:\/\/127\.0\.0\.1:\d+\/attach\/[\w-]{22}$/);
    assert.match(urls[2] ?? '', /^http:\/\/127\.0\.0\.1:\d+\/portforward\/[\w-]{22}$/);
    assert.equal(new Set(urls.map((url) => url.slice(-22))).size, 3);
  });

  for (const [what, headers] of [
    ['SPDY', SPDY],
    ['a WebSocket', WEBSOCKET],
    ['no upgrade', []],
  ] as const) {
    test(`with a token that is not known is not found, with ${what}`, async (t) => {
      const server = await streamingServer(t);
      const url = server.urlForExec(ORDER);

      for (const wrong of [url.slice(0, -1), `${url}x`, url.replace('/exec/', '/attach/'), url.replace(/exec.*/, '')]) {
        assert.equal(await statusFor(wrong, 'GET', headers), 404, wrong);
      }
    });

    test(`can be used once only, with ${what}`, async (t) => {
      const server = await streamingServer(t);
      const url = server.urlForExec(ORDER);

      await statusFor(url, 'GET', headers);

      assert.equal(await statusFor(url, 'GET', headers), 404);
    });
  }

  test('is of no use after its time', async (t) => {
    const server = await streamingServer(t, { tokenMs: 0 });

    assert.equal(await statusFor(server.urlForExec(ORDER), 'POST', SPDY), 404);
  });

  test('can be had again when others were used', async (t) => {
    const server = await streamingServer(t);
    const [first = ''] = Array.from({ length: 1_000 }, () => server.urlForExec(ORDER));

    assert.throws(() => server.urlForExec(ORDER), { code: 'ResourceExhausted' });
    await statusFor(first, 'POST', SPDY);
    server.urlForExec(ORDER);
  });

  test('is not given for a session without streams, or for a terminal with a stderr', async (t) => {
    const server = await streamingServer(t);

    assert.throws(() => server.urlForExec({ ...ORDER, stdout: false }), { code: 'InvalidArgument' });
    assert.throws(() => server.urlForExec({ ...ORDER, tty: true, stderr: true }), { code: 'InvalidArgument' });
  });
});

suite('a request', () => {
  for (const [what, method, headers, expected] of [
    ['with another method', 'PUT', SPDY, 405],
    ['without an upgrade', 'POST', [], 400],
    ['for another protocol', 'GET', ['Connection: Upgrade', 'Upgrade: h2c'], 400],
    ['for SPDY without a stream protocol', 'POST', SPDY.slice(0, 2), 400],
    ['for SPDY with none that is known', 'POST', [...SPDY.slice(0, 2), 'X-Stream-Protocol-Version: v9'], 403],
    ['for a WebSocket with none that is known', 'GET', [...WEBSOCKET, 'Sec-WebSocket-Protocol: v9'], 403],
    ['for a WebSocket with a POST', 'POST', WEBSOCKET, 405],
    ['for a WebSocket without a key', 'GET', WEBSOCKET.slice(0, 3), 400],
    ['with endless headers', 'GET', [`X-Long: ${'x'.repeat(20_000)}`], 431],
  ] as const) {
    test(`${what} is answered with ${expected}`, async (t) => {
      const server = await streamingServer(t);

      assert.equal(await statusFor(server.urlForExec(ORDER), method, headers), expected);
    });
  }

  test('gets the protocol that it likes best, in one line or in several', async (t) => {
    const server = await streamingServer(t);
    const [name, two] = ['X-Stream-Protocol-Version', 'v9, v3.channel.k8s.io'];
    const headers = [...SPDY.slice(0, 2), `${name}: ${two}`, `${name}: v4.channel.k8s.io`];

    const answer = await askToUpgrade(server.urlForExec(ORDER), 'POST', headers);
    answer.socket.destroy();

    assert.equal(answer.status, 101);
    assert.deepEqual(Object.fromEntries(answer.headers), {
      connection: 'Upgrade',
      upgrade: 'SPDY/3.1',
      'x-stream-protocol-version': 'v3.channel.k8s.io',
    });
  });

  test('that cannot be served says which protocols are', async (t) => {
    const server = await streamingServer(t);
    const headers = [...SPDY.slice(0, 2), 'X-Stream-Protocol-Version: v9'];

    const answer = await askToUpgrade(server.urlForExec(ORDER), 'POST', headers);
    answer.socket.destroy();

    const accepted = answer.headers.filter(([name]) => name === 'x-accepted-stream-protocol-versions');
    assert.deepEqual(
      accepted.map(([, value]) => value),
      ['v5.channel.k8s.io', 'v4.channel.k8s.io', 'v3.channel.k8s.io', 'v2.channel.k8s.io', 'channel.k8s.io'],
    );
  });

  test('may have the first frames right behind it', async (t) => {
    const server = await streamingServer(t);
    const { hostname, port, pathname } = new URL(server.urlForExec(ORDER));
    const socket = connect({ host: hostname, port: Number(port) });
    t.after(() => socket.destroy());
    await once(socket, 'connect');
    const deflater = new BlockDeflater();
    const open = async (id: number, streamtype: string): Promise<Buffer> => {
      const block = await deflater.deflate(plainBlock({ streamtype }));
      return controlFrame(1, 0, Buffer.concat([u32(id, 0), Buffer.from([0, 0]), block]));
    };
    const head = [`POST ${pathname} HTTP/1.1`, 'Host: x', ...SPDY, '', ''].join('\r\n');

    socket.write(Buffer.concat([Buffer.from(head), await open(1, 'error'), await open(3, 'stdout')]));
    let bytes = Buffer.alloc(0);
    for await (const chunk of socket) {
      bytes = Buffer.concat([bytes, chunk as Buffer]);
      if (bytes.includes('"Success"')) break;
    }

    assert.match(bytes.toString('latin1'), /^HTTP\/1\.1 101 /);
  });
});

suite('a client', () => {
  test('that opens too few streams is told so in time', async (t) => {
    const server = await streamingServer(t, { streamCreationMs: 100 });
    const { socket, rest } = await askToUpgrade(server.urlForExec(ORDER), 'POST', SPDY);
    const client = new SpdyClient(socket, rest);

    const error = await client.open({ streamtype: 'error' });
    await error.received.ended;

    assert.match(error.received.text, /Cannot begin: the client did not open its streams: stdout/);
    socket.destroy();
  });

  test('gets no stream that was not ordered, and none twice', async (t) => {
    const server = await streamingServer(t);
    const { socket, rest } = await askToUpgrade(server.urlForExec(ORDER), 'POST', SPDY);
    const client = new SpdyClient(socket, rest);
    t.after(() => socket.destroy());

    await client.open({ streamtype: 'error' });
    for (const streamtype of ['stdin', 'error', 'resize', 'nonsense']) {
      await assert.rejects(client.open({ streamtype }), /reset with status 3/);
    }
  });
});

suite('the port', () => {
  test('may be on the loopback address of IPv6', async (t) => {
    const server = await openStreaming({ log: silentLog, host: '::1' });
    t.after(() => server.close());

    const url = server.urlForExec(ORDER);
    assert.match(url, /^http:\/\/\[::1\]:\d+\/exec\//);
    const client = await commandClient(t, 'spdy', url, { stdout: true });
    assert.partialDeepStrictEqual(await statusOf(client), { status: 'Success' });
  });

  test('must have an address that can be told to clients, and be free', async (t) => {
    const server = await streamingServer(t);
    const port = Number(new URL(server.urlForExec(ORDER)).port);

    for (const host of ['0.0.0.0', '::', 'localhost', '']) {
      await assert.rejects(openStreaming({ log: silentLog, host }), { code: 'InvalidArgument' });
    }
    await assert.rejects(openStreaming({ log: silentLog, port }), { code: 'Unavailable' });
  });

  test('is not held by those who have nothing to show', async (t) => {
    const server = await streamingServer(t, { handshakeMs: 200, mostStrangers: 3 });
    const { hostname, port } = new URL(server.urlForExec(ORDER));
    const strangers = Array.from({ length: 4 }, () => connect({ host: hostname, port: Number(port) }).resume());
    for (const stranger of strangers) stranger.on('error', () => undefined);
    t.after(() => strangers.forEach((stranger) => stranger.destroy()));

    await once(strangers[3] ?? assert.fail(), 'close'); // one too many
    await Promise.all(strangers.slice(0, 3).map((stranger) => once(stranger, 'close'))); // too slow

    const client = await commandClient(t, 'spdy', server.urlForExec(ORDER), { stdout: true });
    assert.partialDeepStrictEqual(await statusOf(client), { status: 'Success' });
  });
});
