import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ERROR_TABLE } from '../../../../src/api/error-table.ts';
import { BerthError } from '../../../../src/base/errors.ts';
import type { ErrorCode } from '../../../../src/base/errors.ts';
import { silentLog } from '../../../../src/base/log.ts';
import {
  ContainerStatusRequest,
  ImageServiceService,
  ListContainersRequest,
  ListContainerStatsRequest,
  PullImageRequest,
  RunPodSandboxRequest,
  RuntimeServiceService,
  StopContainerRequest,
  VersionRequest,
} from '../../../../src/gen/cri/api.ts';
import { Cri, message, podConfig } from '../../../support/cri.ts';
import { podContainerRow, podRow, viewOf } from '../../../support/cri-rows.ts';
import { ServedCri } from '../../../support/serve-cri.ts';

const runPod = message(RunPodSandboxRequest, { config: podConfig() });

test('the first call is answered, though what answers it is loaded only then', async () => {
  await using served = await ServedCri.open();
  assert.deepEqual(await served.runtime.version({ version: '0.1.0' }), {
    version: '0.1.0',
    runtimeName: 'berth',
    runtimeVersion: '0.1.0',
    runtimeApiVersion: 'v1',
  });
});

test('clients that all come first are all answered', async () => {
  await using served = await ServedCri.open();
  const clients = Array.from({ length: 20 }, () => new Cri(served.socket));
  const answers = await Promise.all(clients.map(({ runtime }) => runtime.version({ version: '' })));
  for (const client of clients) client[Symbol.dispose]();
  assert.deepEqual(new Set(answers.map(({ runtimeName }) => runtimeName)), new Set(['berth']));
});

for (const [code, { grpc }] of Object.entries(ERROR_TABLE)) {
  test(`${code} is gRPC's ${grpc}, with its message`, async () => {
    const error = new BerthError(code as ErrorCode, 'Cannot create sandbox "ö": 100 % of it\nis taken \ud800');
    await using served = await ServedCri.open({ sandboxes: { create: () => Promise.reject(error) } });
    await assert.rejects(served.runtime.runPodSandbox(runPod), {
      code: grpc,
      details: 'Cannot create sandbox "ö": 100 % of it\nis taken \ufffd',
    });
  });
}

test('what nobody expected is logged once, with the method that it came from', async () => {
  const logged: unknown[] = [];
  const log = { ...silentLog, error: (...entry: unknown[]) => void logged.push(entry) };
  const create = (): never => {
    throw new TypeError('x is not a function');
  };
  await using served = await ServedCri.open({ sandboxes: { create } }, log);
  await assert.rejects(served.runtime.runPodSandbox(runPod), { code: 13, details: 'x is not a function' });
  assert.deepEqual(logged, [['request failed', { method: 'RunPodSandbox', error: 'x is not a function' }]]);
});

test('an error that somebody expected is not logged', async () => {
  const log = { ...silentLog, error: () => assert.fail('logged') };
  await using served = await ServedCri.open({}, log);
  await assert.rejects(served.runtime.containerStatus(message(ContainerStatusRequest, { containerId: 'abc' })), {
    code: 5,
    details: 'Cannot find container "abc": there is none',
  });
});

test('a message that is too long for a header is cut', async () => {
  const error = new BerthError('Busy', 'x'.repeat(100_000));
  await using served = await ServedCri.open({ sandboxes: { create: () => Promise.reject(error) } });
  await assert.rejects(served.runtime.runPodSandbox(runPod), { code: 10, details: 'x'.repeat(4_096) });
});

test('a client whose deadline passes is told so, and the engine that nobody waits any more', async () => {
  const { promise: waiting, resolve } = Promise.withResolvers<AbortSignal>();
  const create = (_: unknown, { signal }: { signal: AbortSignal }): Promise<never> => {
    resolve(signal);
    return new Promise(() => undefined);
  };
  await using served = await ServedCri.open({ sandboxes: { create } });
  const call = served.runtime.runPodSandbox(runPod, { timeoutMs: 200 });
  const signal = await waiting;
  const aborted = once(signal, 'abort');
  await assert.rejects(call, { code: 4 });
  await aborted;
  assert.equal((signal.reason as BerthError).code, 'Cancelled');
});

test('a client that cancels ends its wait', async () => {
  const { promise: waiting, resolve } = Promise.withResolvers<AbortSignal>();
  const pullImage = ({ signal }: { signal: AbortSignal }): Promise<never> => {
    resolve(signal);
    return new Promise(() => undefined);
  };
  await using served = await ServedCri.open({ pullImage });
  const client = new AbortController();
  const image = { image: 'busybox', annotations: {}, userSpecifiedImage: '', runtimeHandler: '', imageRef: '' };
  const call = served.images.pullImage(message(PullImageRequest, { image }), { signal: client.signal });
  const aborted = once(await waiting, 'abort');
  client.abort();
  await assert.rejects(call, { code: 1 });
  await aborted;
});

test('a client that dies ends its wait', async () => {
  const { promise: waiting, resolve } = Promise.withResolvers<AbortSignal>();
  const create = (_: unknown, { signal }: { signal: AbortSignal }): Promise<never> => {
    resolve(signal);
    return new Promise(() => undefined);
  };
  await using served = await ServedCri.open({ sandboxes: { create } });
  const session = connectTo(served.socket);
  post(session, '/runtime.v1.RuntimeService/RunPodSandbox', RunPodSandboxRequest.encode(runPod).finish());
  const aborted = once(await waiting, 'abort');
  session.destroy();
  await aborted;
});

test('a call that is answered leaves nothing that waits for its end', async () => {
  const signals: AbortSignal[] = [];
  const create = async (
    _: unknown,
    { signal }: { signal: AbortSignal },
  ): Promise<{ row: ReturnType<typeof podRow> }> => {
    signals.push(signal);
    return { row: podRow() };
  };
  await using served = await ServedCri.open({ sandboxes: { create } });
  await served.runtime.runPodSandbox(runPod, { timeoutMs: 60_000 });
  await served.runtime.version({ version: '' });
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [false],
  );
});

test('a stop with a grace of a month is not over at once', async () => {
  const row = podContainerRow();
  const stop = async (): Promise<{ changed: false }> => {
    await sleep(50); // a timer of the call would fire in the meantime
    return { changed: false };
  };
  await using served = await ServedCri.open({ containers: { list: () => [viewOf(row)], stop } });
  const request = message(StopContainerRequest, { containerId: row.spec.id, timeout: 2_592_000n });
  await served.runtime.stopContainer(request, { timeoutMs: 2_592_120_000 });
});

test('a call whose time is over when it comes is told so', async () => {
  const create = (): Promise<never> => new Promise(() => undefined);
  await using served = await ServedCri.open({ sandboxes: { create } });
  const session = connectTo(served.socket);
  const body = RunPodSandboxRequest.encode(runPod).finish();
  const answer = await ended(post(session, '/runtime.v1.RuntimeService/RunPodSandbox', body, { 'grpc-timeout': '1m' }));
  session.destroy();
  assert.equal(answer['grpc-status'], '4');
});

test('the timeline tells who asked', async () => {
  const row = podContainerRow();
  const requesters: string[] = [];
  const stop = async (_: string, { requester }: { requester: string }): Promise<{ changed: false }> => {
    requesters.push(requester);
    return { changed: false };
  };
  await using served = await ServedCri.open({ containers: { list: () => [viewOf(row)], stop } });
  await served.runtime.stopContainer({ containerId: row.spec.id, timeout: 1n });
  assert.deepEqual(requesters, ['cri (uid 0, pid 1)']);
});

test('what berth does not do yet is said by the name of the method', async () => {
  await using served = await ServedCri.open();
  const { runtime, images } = served;
  const methods = { ...RuntimeServiceService, ...ImageServiceService };
  type Answer = Promise<unknown> | AsyncIterable<unknown>;
  const calls = { ...runtime, ...images } as Record<string, (request: object) => Answer>;
  const answered = (answer: Answer | undefined): unknown =>
    answer !== undefined && Symbol.asyncIterator in answer ? Array.fromAsync(answer) : answer;
  const missing: string[] = [];
  for (const [name, { path, requestDeserialize }] of Object.entries(methods)) {
    const { code, details } = await failureOf(async () => answered(calls[name]?.(requestDeserialize(Buffer.alloc(0)))));
    if (code !== 12) continue;
    const method = path.slice(path.lastIndexOf('/') + 1);
    assert.equal(details, `Cannot answer ${method}: berth does not do it yet`);
    missing.push(method);
  }
  assert.deepEqual(missing.toSorted(), ['Attach', 'Exec', 'PortForward']);
});

test('another version of the interface is not served', async () => {
  await using served = await ServedCri.open();
  const session = connectTo(served.socket);
  const answer = await ended(post(session, '/runtime.v1alpha2.RuntimeService/Version', new Uint8Array()));
  session.destroy();
  assert.equal(answer['grpc-status'], '12');
});

test('a list is answered whatever its size', async () => {
  const annotations = { note: 'x'.repeat(50_000) };
  const views = Array.from({ length: 300 }, () => viewOf(podContainerRow({}, { annotations })));
  await using served = await ServedCri.open({ containers: { list: () => views } });
  const { containers } = await served.runtime.listContainers(message(ListContainersRequest));
  assert.equal(containers.length, 300);
  assert.deepEqual(containers[299]?.annotations, annotations);
});

test('a request may have 16 MiB', async () => {
  const create = async (): Promise<{ row: ReturnType<typeof podRow> }> => ({ row: podRow() });
  await using served = await ServedCri.open({ sandboxes: { create } });
  const annotations = { note: 'x'.repeat(16 << 20) };
  await served.runtime.runPodSandbox(message(RunPodSandboxRequest, { config: podConfig({ annotations }) }));
});

test('every form is understood in which clients name the host of a socket', async () => {
  await using served = await ServedCri.open();
  for (const authority of ['localhost', '%2Frun%2Fberth%2Fcri.sock', '10.0.0.1:80', undefined]) {
    const session = connectTo(served.socket);
    const body = VersionRequest.encode({ version: '' }).finish();
    const headers = authority === undefined ? {} : { ':authority': authority };
    const answer = await ended(post(session, '/runtime.v1.RuntimeService/Version', body, headers));
    session.destroy();
    assert.equal(answer['grpc-status'], '0', String(authority));
  }
});

test('something that does not speak HTTP/2 harms nobody', async () => {
  await using served = await ServedCri.open();
  const stranger = connect(served.socket);
  stranger.on('error', () => undefined);
  stranger.write('GET / HTTP/1.1\r\n\r\n');
  stranger.resume();
  await once(stranger, 'close');
  assert.equal((await served.runtime.version({ version: '' })).runtimeName, 'berth');
});

test('300 idle connections are kept without a timer, and nobody waits for them', async (t) => {
  await using served = await ServedCri.open();
  await served.runtime.listContainerStats(message(ListContainerStatsRequest));
  const before = { timers: timers(), rss: process.memoryUsage.rss() };
  const sessions = Array.from({ length: 300 }, () => connectTo(served.socket));
  const body = VersionRequest.encode({ version: '' }).finish();
  await Promise.all(sessions.map((session) => ended(post(session, '/runtime.v1.RuntimeService/Version', body))));

  assert.ok(timers() <= before.timers, 'no connection has a timer');
  const each = (process.memoryUsage.rss() - before.rss) / sessions.length / 1_024;
  t.diagnostic(`a connection takes ${each.toFixed(0)} KiB, both of its ends together`);
  assert.ok(each < 300, `${each} KiB`);
  assert.equal((await served.runtime.version({ version: '' })).runtimeName, 'berth');
  for (const session of sessions) session.destroy();
});

test('a door that closes ends the calls that wait', async () => {
  const { promise: waiting, resolve } = Promise.withResolvers<void>();
  const create = (): Promise<never> => {
    resolve();
    return new Promise(() => undefined);
  };
  await using served = await ServedCri.open({ sandboxes: { create } });
  const call = served.runtime.runPodSandbox(runPod);
  await waiting;
  served.server.close();
  await assert.rejects(call, { code: 14 });
  served.server.listener.listen(served.socket); // for the fixture to close
});

function connectTo(socket: string): ClientHttp2Session {
  const session = connectHttp2('http://localhost', { createConnection: () => connect(socket) });
  session.on('error', () => undefined);
  return session;
}

type Sent = ReturnType<ClientHttp2Session['request']>;

/** Sends one message as gRPC does, without a client library that would make it proper. */
function post(session: ClientHttp2Session, path: string, body: Uint8Array, headers: Record<string, string> = {}): Sent {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  stream.end(Buffer.concat([head, body]));
  stream.on('error', () => undefined);
  return stream;
}

/** The headers that a call ends with, which are the first and only ones when it has no answer. */
async function ended(stream: Sent): Promise<IncomingHttpHeaders> {
  const { promise, resolve } = Promise.withResolvers<IncomingHttpHeaders>();
  stream.on('response', (headers) => 'grpc-status' in headers && resolve(headers));
  stream.on('trailers', resolve);
  stream.on('close', () => resolve({}));
  stream.resume();
  return promise;
}

function timers(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
}

async function failureOf(call: () => Promise<unknown>): Promise<{ readonly code?: number; readonly details?: string }> {
  try {
    await call();
    return {};
  } catch (error) {
    return error as { code: number; details: string };
  }
}
