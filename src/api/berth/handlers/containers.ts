import { decode } from '../../../base/decode.ts';
import { BerthError } from '../../../base/errors.ts';
import { parseSignal } from '../../../base/signals.ts';
import type { StopRequest } from '../../../engine/index.ts';
import { containerAnswer, inspectAnswer, logRecord } from '../from-state.ts';
import { readBody, sendLines } from '../lines.ts';
import type { Call } from '../routes.ts';
import { bodies } from '../schemas.ts';

const idOf = ({ params }: Call): string => params['id'] ?? '';

export function listContainers({ engine }: Call): object {
  return { containers: engine.containers.list().map(containerAnswer) };
}

export function inspectContainer(call: Call): object {
  return inspectAnswer(call.engine.containers.get(idOf(call)));
}

export async function createContainer(call: Call): Promise<object> {
  const body = decode(bodies.create, await readBody(call.request), 'container');
  return containerAnswer(await call.engine.containers.create(body, { signal: call.gone }));
}

export async function startContainer(call: Call): Promise<object> {
  return containerAnswer(await call.engine.containers.start(idOf(call), { signal: call.gone }));
}

export async function stopContainer(call: Call): Promise<object> {
  const { graceMs, signal, reason } = decode(bodies.stop, await readBody(call.request), 'stop');
  const request: StopRequest = {
    requester: call.requester,
    signal: call.gone,
    ...(graceMs === undefined ? {} : { graceMs: graceMs === 'never' ? Infinity : graceMs }),
    ...(signal === undefined ? {} : { stopSignal: parseSignal(signal) }),
    ...(reason === undefined ? {} : { reason }),
  };
  return call.engine.containers.stop(idOf(call), request);
}

export async function killContainer(call: Call): Promise<object> {
  const { signal = 'SIGKILL', reason } = decode(bodies.kill, await readBody(call.request), 'kill');
  await call.engine.containers.kill(idOf(call), {
    killSignal: parseSignal(signal),
    requester: call.requester,
    ...(reason === undefined ? {} : { reason }),
  });
  return {};
}

export async function pauseContainer(call: Call): Promise<object> {
  await call.engine.containers.pause(idOf(call));
  return {};
}

export async function resumeContainer(call: Call): Promise<object> {
  await call.engine.containers.resume(idOf(call));
  return {};
}

export async function waitForContainer(call: Call): Promise<object> {
  return { exit: await call.engine.containers.wait(idOf(call), { signal: call.gone }) };
}

export async function removeContainer(call: Call): Promise<object> {
  const isForced = call.query.get('force') === '1';
  await call.engine.containers.remove(idOf(call), { isForced, requester: call.requester, signal: call.gone });
  return {};
}

export function explainContainer(call: Call): object {
  return call.engine.containers.why(idOf(call));
}

export function containerHistory(call: Call): object {
  return { events: call.engine.containers.history(idOf(call)) };
}

export async function containerLogs(call: Call): Promise<undefined> {
  const { query, engine, response, gone } = call;
  const tail = numberIn(query, 'tail');
  const since = numberIn(query, 'since');
  const lines = engine.containers.logs(idOf(call), {
    isFollowing: query.get('follow') === '1',
    signal: gone,
    ...(tail === undefined ? {} : { tail }),
    ...(since === undefined ? {} : { since }),
  });
  await sendLines(response, mapLines(lines, logRecord), gone);
  return undefined;
}

/** @throws BerthError InvalidArgument when it is there and no whole number */
export function numberIn(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  throw new BerthError('InvalidArgument', `Cannot read ${name} "${text}": must be a whole number`, { field: name });
}

async function* mapLines<T, U>(lines: AsyncIterable<T>, change: (line: T) => U): AsyncGenerator<U> {
  for await (const line of lines) yield change(line);
}
