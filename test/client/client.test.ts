import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import type { TestContext } from 'node:test';
import { BerthError } from '../../src/base/errors.ts';
import { connect } from '../../src/client/index.ts';

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'berth-client-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const socket = join(folderFor(t), 'berth.sock');
  const server = createServer(listener);
  server.listen(socket);
  await once(server, 'listening');
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  return socket;
}

async function asNobody<T>(work: () => Promise<T>): Promise<T> {
  const groups = process.getgroups?.() ?? [];
  process.setgroups?.([]);
  process.setegid?.(65_534);
  process.seteuid?.(65_534);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
    process.setgroups?.(groups);
  }
}

suite('a daemon that cannot be reached', () => {
  test('is told from a file that is none of its', async (t) => {
    const file = join(folderFor(t), 'file');
    writeFileSync(file, '');

    const message = `Cannot reach berth at "${file}": nobody listens there: is the daemon running? start it with "berth serve"`;
    await assert.rejects(connect({ socket: file }).version(), { code: 'Unavailable', message });
  });

  test('because its socket is closed to us says who may use it', async (t) => {
    const socket = await serve(t, (_, response) => response.end('{}'));
    chmodSync(join(socket, '..'), 0o755);
    chmodSync(socket, 0o660);
    const client = connect({ socket });

    const ofRoot = await asNobody(() => client.version().catch((error: unknown) => error));
    chownSync(socket, 0, 1);
    const ofGroup = await asNobody(() => client.version().catch((error: unknown) => error));

    const message = `Cannot reach berth at "${socket}": permission denied:`;
    assert.deepEqual(
      [ofRoot, ofGroup].map((error) => error instanceof BerthError && [error.code, error.message]),
      [
        ['PermissionDenied', `${message} only root may use it`],
        ['PermissionDenied', `${message} it belongs to group "daemon": ask root to add you to it`],
      ],
    );
  });
});

test('every part of a path stays one part, and the client says who it is', async (t) => {
  const asked: (string | undefined)[] = [];
  const socket = await serve(t, (request, response) => {
    asked.push(`${request.method} ${request.url}`, String(request.headers['x-berth-client']));
    response.end('{}');
  });
  const client = connect({ socket, name: 'test' });

  await client.containers.stop('a/../b?c#d e', { graceMs: 1 });
  await client.images.remove('registry/a:b&force=1');

  assert.deepEqual(asked, [
    ...['POST /v1/containers/a%2F..%2Fb%3Fc%23d%20e/stop', 'test'],
    ...['DELETE /v1/images?name=registry%2Fa%3Ab%26force%3D1', 'test'],
  ]);
});

test('an error has the code, the message and the field that the server gives', async (t) => {
  const socket = await serve(t, (_, response) => {
    response.writeHead(409).end('{"error":{"code":"Busy","message":"it is busy","field":"name"}}');
  });

  await assert.rejects(connect({ socket }).containers.list(), new BerthError('Busy', 'it is busy', { field: 'name' }));
});

test('lines come as they are written, in whatever pieces', async (t) => {
  const pieces = ['{"n":1}\n{"n', '":2}\n', '{"text":"', 'é'.slice(0), '"}', '\n{"n":4}'];
  const socket = await serve(t, (_, response) => {
    for (const piece of pieces) response.write(piece);
    response.end();
  });

  const lines = await Array.fromAsync(connect({ socket }).events());

  assert.deepEqual(lines, [{ n: 1 }, { n: 2 }, { text: 'é' }, { n: 4 }]);
});

test('an error as the last line ends the lines', async (t) => {
  const socket = await serve(t, (_, response) => {
    response.end('{"n":1}\n{"error":{"code":"NotFound","message":"compacted"}}\n');
  });
  const lines = connect({ socket }).events();

  assert.deepEqual(await lines.next(), { done: false, value: { n: 1 } });
  await assert.rejects(lines.next(), new BerthError('NotFound', 'compacted'));
});

test('leaving the lines, or aborting them, closes the connection', async (t) => {
  let closed = 0;
  const gone = Promise.withResolvers<void>();
  const socket = await serve(t, (_, response) => {
    response.write('{"n":1}\n');
    response.once('close', () => {
      closed += 1;
      if (closed === 2) gone.resolve();
    });
  });
  const abort = new AbortController();

  for await (const _ of connect({ socket }).events()) break;
  const aborted = connect({ socket }).events({ signal: abort.signal });
  await aborted.next();
  abort.abort();

  await assert.rejects(aborted.next(), { code: 'Cancelled' });
  await gone.promise;
});

test('an answer that breaks off is no answer', async (t) => {
  const socket = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-length': 100 }).write('{"half":');
    setImmediate(() => response.destroy());
  });

  await assert.rejects(connect({ socket }).version(), {
    code: 'Unavailable',
    message: /any more: the daemon went away/,
  });
});
