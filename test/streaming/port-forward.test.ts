import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { suite, test } from 'node:test';
import type { TestContext } from 'node:test';
import type { PortForwardOrder } from '../../src/api/streaming/index.ts';
import { spdyClient } from '../support/command-client.ts';
import { Received } from '../support/received.ts';
import { repetitions } from '../support/scale.ts';
import { SpdyClient } from '../support/spdy-client.ts';
import type { ClientStream } from '../support/spdy-client.ts';
import { streamingServer } from '../support/streaming-server.ts';
import { forwardToLoopback, tcpServer } from '../support/tcp-server.ts';
import { tunnelThrough, WebSocketClient } from '../support/websocket-client.ts';

const ECHO = { ports: [], forward: forwardToLoopback };

/** A client as client-go is one, directly or through a WebSocket. */
async function forwardClient(t: TestContext, way: 'spdy' | 'tunnel', url: string): Promise<SpdyClient> {
  const client =
    way === 'spdy' ? await spdyClient(url, 'portforward.k8s.io') : new SpdyClient(await tunnelOf(url), Buffer.alloc(0));
  t.after(() => client.transport.destroy());
  return client;
}

async function tunnelOf(url: string) {
  const { client, tunnel } = await tunnelThrough(url, 'SPDY/3.1+portforward.k8s.io');
  assert.equal(client.protocol, 'SPDY/3.1+portforward.k8s.io');
  return tunnel;
}

interface Connection {
  readonly data: ClientStream;
  readonly error: ClientStream;
}

async function openPair(client: SpdyClient, port: number, requestid?: string): Promise<Connection> {
  const headers = { port: String(port), ...(requestid !== undefined && { requestid }) };
  const error = await client.open({ ...headers, streamtype: 'error' });
  client.end(error);
  const data = await client.open({ ...headers, streamtype: 'data' });
  return { data, error };
}

/** Reads to the end, or until the other side breaks the connection. */
function whenOver(socket: Socket, act: () => void): void {
  socket.resume().once('end', act).once('close', act);
}

for (const way of ['spdy', 'tunnel'] as const) {
  suite(`a port-forward over ${way === 'spdy' ? 'SPDY' : 'SPDY in a WebSocket'}`, () => {
    test('carries many connections at once, each with its own data', async (t) => {
      const port = await tcpServer(t, (socket) => void socket.pipe(socket));
      const server = await streamingServer(t);
      const client = await forwardClient(t, way, server.urlForPortForward(ECHO));

      const texts = await Promise.all(
        Array.from({ length: 100 }, async (_, i) => {
          const { data, error } = await openPair(client, port, String(i));
          await client.write(data, `connection ${i}`);
          client.end(data);
          await Promise.all([data.received.ended, error.received.ended]);
          return data.received.text + error.received.text;
        }),
      );

      assert.deepEqual(
        texts,
        Array.from({ length: 100 }, (_, i) => `connection ${i}`),
      );
    });

    test('carries much in both directions without loss', async (t) => {
      const port = await tcpServer(t, (socket) => void socket.pipe(socket));
      const server = await streamingServer(t);
      const client = await forwardClient(t, way, server.urlForPortForward(ECHO));
      const sent = new Received();

      const { data } = await openPair(client, port, '0');
      for (let i = 0; i < repetitions(2_000); i += 1) {
        const piece = Buffer.alloc(100_000, `piece ${i}`);
        sent.add(piece);
        await client.write(data, piece);
      }
      client.end(data);
      await data.received.ended;

      assert.equal(data.received.sum, sent.sum);
    });

    test('forgets the connections that are over', async (t) => {
      const port = await tcpServer(t, (socket) => void socket.pipe(socket));
      const server = await streamingServer(t);
      const client = await forwardClient(t, way, server.urlForPortForward(ECHO));

      for (let i = 0; i < 1_100; i += 1) {
        // more than there can be at once
        const { data, error } = await openPair(client, port, String(i));
        client.end(data);
        await Promise.all([data.received.ended, error.received.ended]);
        assert.equal(error.received.text, '');
      }
    });

    test('tells of a port that nobody listens on, and goes on with the others', async (t) => {
      const port = await tcpServer(t, (socket) => void socket.end('hello'));
      const server = await streamingServer(t);
      const client = await forwardClient(t, way, server.urlForPortForward(ECHO));

      const refused = await openPair(client, 1, 'a');
      await Promise.all([refused.error.received.ended, refused.data.received.ended]);
      const other = await openPair(client, port, 'b');
      await other.data.received.ended;

      assert.match(refused.error.received.text, /ECONNREFUSED/);
      assert.equal(refused.data.resetStatus, 5);
      assert.equal(other.data.received.text, 'hello');
    });

    test('says nothing of a connection that the client itself gives up', async (t) => {
      const { promise: closed, resolve } = Promise.withResolvers<void>();
      const port = await tcpServer(t, (socket) => whenOver(socket, resolve));
      const server = await streamingServer(t);
      const client = await forwardClient(t, way, server.urlForPortForward(ECHO));

      const { data, error } = await openPair(client, port, '0');
      await client.write(data, 'something');
      client.reset(data);
      await Promise.all([closed, error.received.ended]);

      assert.equal(error.received.text, '');
    });

    test('takes the reset of a client that has read everything for its goodbye', async (t) => {
      const port = await tcpServer(t, (socket) => void socket.end('all').resume());
      const server = await streamingServer(t);
      const failures: unknown[] = [];
      const forward: PortForwardOrder['forward'] = (...args) =>
        forwardToLoopback(...args).catch((error: unknown) => void failures.push(error));
      const client = await forwardClient(t, way, server.urlForPortForward({ ports: [], forward }));

      const { data, error } = await openPair(client, port, '0');
      await data.received.ended;
      client.reset(data);
      await error.received.ended;

      assert.deepEqual([data.received.text, error.received.text, failures], ['all', '', []]);
    });

    test('closes its connections when the client is gone', async (t) => {
      const opened = Promise.withResolvers<void>();
      const closed = Promise.withResolvers<void>();
      const port = await tcpServer(t, (socket) => {
        whenOver(socket, closed.resolve);
        opened.resolve();
      });
      const server = await streamingServer(t);
      const client = await forwardClient(t, way, server.urlForPortForward(ECHO));

      await openPair(client, port, '0');
      await opened.promise;
      client.transport.destroy();

      await closed.promise;
    });
  });
}

suite('a port-forward', () => {
  test('finds the streams of clients that send no request id', async (t) => {
    const port = await tcpServer(t, (socket) => void socket.pipe(socket));
    const server = await streamingServer(t);
    const client = await forwardClient(t, 'spdy', server.urlForPortForward(ECHO));

    const pairs = [await openPair(client, port), await openPair(client, port)];
    for (const [i, { data }] of pairs.entries()) {
      await client.write(data, `text ${i}`);
      client.end(data);
    }
    await Promise.all(pairs.map(({ data }) => data.received.ended));

    assert.deepEqual(
      pairs.map(({ data }) => data.received.text),
      ['text 0', 'text 1'],
    );
  });

  for (const [what, headers] of [
    ['no type', { port: '80', requestid: '1' }],
    ['another type', { port: '80', requestid: '1', streamtype: 'stdin' }],
    ['no port', { requestid: '1', streamtype: 'data' }],
    ['port 0', { port: '0', requestid: '1', streamtype: 'data' }],
    ['a port that is none', { port: '65536', requestid: '1', streamtype: 'data' }],
  ] as const) {
    test(`refuses a stream with ${what}`, async (t) => {
      const server = await streamingServer(t);
      const client = await forwardClient(t, 'spdy', server.urlForPortForward(ECHO));

      await assert.rejects(client.open(headers), /reset with status 1/);
    });
  }

  test('refuses a second data stream for the same request', async (t) => {
    const port = await tcpServer(t, (socket) => void socket.pipe(socket));
    const server = await streamingServer(t);
    const client = await forwardClient(t, 'spdy', server.urlForPortForward(ECHO));

    await openPair(client, port, '0');

    await assert.rejects(client.open({ port: String(port), requestid: '0', streamtype: 'data' }), /status 1/);
  });

  test('gives a half of a connection up whose other half does not come', async (t) => {
    const server = await streamingServer(t, { streamCreationMs: 100 });
    const client = await forwardClient(t, 'spdy', server.urlForPortForward(ECHO));

    const error = await client.open({ port: '80', requestid: '0', streamtype: 'error' });
    const data = await client.open({ port: '80', requestid: '1', streamtype: 'data' });
    await Promise.all([error.received.ended, data.received.ended]);

    assert.equal(error.received.text, 'Cannot forward port 80: its data stream was not opened in time');
    assert.equal(data.resetStatus, 5);
  });

  for (const protocol of ['', 'v4.channel.k8s.io', 'v4.base64.channel.k8s.io']) {
    test(`of the old form "${protocol}" has a pair of channels for each port`, async (t) => {
      const port = await tcpServer(
        t,
        (socket) => void socket.once('data', (data) => socket.end(`got ${data.toString()}`)),
      );
      const server = await streamingServer(t);
      const received = [new Received(), new Received(), new Received(), new Received()];
      const isBase64 = protocol.includes('base64');
      const url = server.urlForPortForward({ ports: [port, 1], forward: forwardToLoopback });
      const client = await WebSocketClient.connect(url, protocol === '' ? [] : [protocol], ({ data }) => {
        const channel = isBase64 ? Number(data.toString('latin1', 0, 1)) : (data[0] ?? 0);
        received[channel]?.add(isBase64 ? Buffer.from(data.toString('latin1', 1), 'base64') : data.subarray(1));
      });
      t.after(() => client.socket.destroy());

      await client.send(isBase64 ? `0${Buffer.from('this').toString('base64')}` : Buffer.from('\0this'));
      await received[0]?.matches(/got this$/);
      await received[3]?.matches(/ECONNREFUSED/);

      const numbers = received.map((each) => Buffer.from(each.text.slice(0, 2), 'latin1').length);
      assert.deepEqual(numbers.slice(2), [2, 2]);
      assert.equal(received[2]?.text, '\x01\x00');
      assert.equal(received[3]?.text.slice(0, 2), '\x01\x00');
    });
  }

  test('of the old form needs the ports in its order', async (t) => {
    const server = await streamingServer(t);
    const connecting = WebSocketClient.connect(server.urlForPortForward(ECHO), ['v4.channel.k8s.io'], () => undefined);

    await assert.rejects(connecting, /answered with 400/);
  });
});

test('a forwarded connection that nobody reads does not stop others before it holds a megabyte', async (t) => {
  const stuck = await tcpServer(t, (socket) => void socket.pause());
  const echo = await tcpServer(t, (socket) => void socket.pipe(socket));
  const { promise: mayRead, resolve: read } = Promise.withResolvers<void>();
  const forward: PortForwardOrder['forward'] = async (port, stream, signal) => {
    if (port === stuck) await mayRead;
    await forwardToLoopback(port, stream, signal);
  };
  const server = await streamingServer(t);
  const client = await forwardClient(t, 'spdy', server.urlForPortForward({ ports: [], forward }));

  const first = await openPair(client, stuck, '0');
  await client.write(first.data, Buffer.alloc(900_000));
  const second = await openPair(client, echo, '1');
  await client.write(second.data, 'still here');
  await second.data.received.matches(/still here/);

  read();
  client.transport.destroy();
  await once(client.transport, 'close').catch(() => undefined);
});
