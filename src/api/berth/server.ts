import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { BerthError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Engine } from '../../engine/index.ts';
import { ERROR_TABLE } from '../error-table.ts';
import * as containers from './handlers/containers.ts';
import * as doctor from './handlers/doctor.ts';
import { events } from './handlers/events.ts';
import { execInContainer } from './handlers/exec.ts';
import * as images from './handlers/images.ts';
import * as sandboxes from './handlers/sandboxes.ts';
import { errorBody } from './lines.ts';
import { matchRoute } from './routes.ts';
import type { Call, Route } from './routes.ts';
import type { VersionAnswer } from './types.ts';

// Not imported: that reads every export of the module, one of which loads a WebSocket client.
const { createServer } = process.getBuiltinModule('node:http');

export interface ApiParts {
  readonly engine: Engine;
  readonly log: Log;
  readonly version: string;
  readonly doctor: doctor.Doctor;
  /** Who is at the other end of a connection: `uid 0, pid 4711`. */
  readonly peerOf: (socket: Socket) => string;
}

/** berth's own door: one route per verb of the engine. */
export function createApiServer(parts: ApiParts): Server {
  const routes = routesOf(parts);
  const server = createServer((request, response) => void answer(parts, routes, request, response));
  server.requestTimeout = 0; // an archive or an exec may take as long as it takes
  return server;
}

function routesOf({ version }: ApiParts): readonly Route[] {
  const versionAnswer = ({ engine }: Call): VersionAnswer => ({
    version,
    api: 'v1',
    pid: process.pid,
    isRecovered: engine.isRecovered,
  });
  return [
    { method: 'GET', path: '/v1/version', handler: versionAnswer },
    { method: 'GET', path: '/v1/containers', handler: containers.listContainers },
    { method: 'POST', path: '/v1/containers', handler: containers.createContainer },
    { method: 'GET', path: '/v1/containers/:id', handler: containers.inspectContainer },
    { method: 'DELETE', path: '/v1/containers/:id', handler: containers.removeContainer },
    { method: 'POST', path: '/v1/containers/:id/start', handler: containers.startContainer },
    { method: 'POST', path: '/v1/containers/:id/stop', handler: containers.stopContainer },
    { method: 'POST', path: '/v1/containers/:id/kill', handler: containers.killContainer },
    { method: 'POST', path: '/v1/containers/:id/pause', handler: containers.pauseContainer },
    { method: 'POST', path: '/v1/containers/:id/resume', handler: containers.resumeContainer },
    { method: 'POST', path: '/v1/containers/:id/wait', handler: containers.waitForContainer },
    { method: 'POST', path: '/v1/containers/:id/exec', handler: execInContainer },
    { method: 'GET', path: '/v1/containers/:id/logs', handler: containers.containerLogs },
    { method: 'GET', path: '/v1/containers/:id/why', handler: containers.explainContainer },
    { method: 'GET', path: '/v1/containers/:id/history', handler: containers.containerHistory },
    { method: 'GET', path: '/v1/sandboxes', handler: sandboxes.listSandboxes },
    { method: 'DELETE', path: '/v1/sandboxes/:id', handler: sandboxes.removeSandbox },
    { method: 'POST', path: '/v1/sandboxes/:id/stop', handler: sandboxes.stopSandbox },
    { method: 'GET', path: '/v1/sandboxes/:id/why', handler: sandboxes.explainSandbox },
    { method: 'GET', path: '/v1/events', handler: events },
    { method: 'GET', path: '/v1/images', handler: images.listImages },
    { method: 'POST', path: '/v1/images', handler: images.importImages },
    { method: 'DELETE', path: '/v1/images', handler: images.removeImage },
    { method: 'POST', path: '/v1/images/pull', handler: images.pullImage },
    { method: 'POST', path: '/v1/images/prune', handler: images.pruneImages },
    { method: 'GET', path: '/v1/images/storage', handler: images.imageStorage },
    { method: 'GET', path: '/v1/debts', handler: doctor.listDebts },
    { method: 'DELETE', path: '/v1/debts/:id', handler: doctor.forgiveDebt },
    { method: 'GET', path: '/v1/doctor', handler: doctor.examine },
    { method: 'POST', path: '/v1/foreign/:id/:verb', handler: doctor.settleForeign },
  ];
}

async function answer(
  parts: ApiParts,
  routes: readonly Route[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort(new BerthError('Cancelled', 'Cannot answer: the client went away')));
  response.on('error', () => undefined); // the same: it went away
  try {
    const result = await dispatch(parts, routes, request, response, gone.signal);
    if (result !== undefined) sendJson(response, 200, result);
  } catch (error) {
    if (gone.signal.aborted) return;
    const body = errorBody(error);
    if (body.error.code === 'Internal') {
      parts.log.error('request failed', { method: request.method, path: request.url, error: body.error.message });
    }
    if (response.headersSent) response.destroy();
    else sendJson(response, ERROR_TABLE[body.error.code as keyof typeof ERROR_TABLE].http, body);
  } finally {
    if (!request.complete) request.resume(); // what nobody reads would keep the connection from being used again
  }
}

function dispatch(
  parts: ApiParts,
  routes: readonly Route[],
  request: IncomingMessage,
  response: ServerResponse,
  gone: AbortSignal,
): Promise<object | undefined> | object | undefined {
  const [path = '/', search = ''] = (request.url ?? '/').split('?', 2);
  const { method = 'GET' } = request;
  const match = matchRoute(routes, method, path);
  if (match.kind === 'unknown') throw new BerthError('NotFound', `Cannot ${method} "${path}": there is no such route`);
  if (match.kind === 'wrong-method') {
    throw new BerthError('InvalidArgument', `Cannot ${method} "${path}": must be ${match.allowed.join(' or ')}`);
  }
  const client = String(request.headers['x-berth-client'] ?? 'api').slice(0, 64);
  return match.handler({
    engine: parts.engine,
    request,
    response,
    params: match.params,
    query: new URLSearchParams(search),
    gone,
    requester: `${client} (${parts.peerOf(request.socket)})`,
    doctor: parts.doctor,
  });
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}
