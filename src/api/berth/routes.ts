import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Engine } from '../../engine/index.ts';
import type { Doctor } from './handlers/doctor.ts';

/** One request on its way to the engine. */
export interface Call {
  readonly engine: Engine;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The parts of the path that the route leaves open, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Aborts when the client goes away before it has its answer. */
  readonly gone: AbortSignal;
  /** Who asks, for the timeline. */
  readonly requester: string;
  readonly doctor: Doctor;
}

/** Answers with an object, or has sent its answer itself and gives undefined. */
type Handler = (call: Call) => Promise<object | undefined> | object | undefined;

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** `/v1/containers/:id/stop` */
  readonly path: string;
  readonly handler: Handler;
}

export type Match =
  | { readonly kind: 'found'; readonly handler: Handler; readonly params: Readonly<Record<string, string>> }
  | { readonly kind: 'wrong-method'; readonly allowed: readonly string[] }
  | { readonly kind: 'unknown' };

/** Finds the route of a request. A part of the path that is open takes anything but nothing. */
export function matchRoute(routes: readonly Route[], method: string, path: string): Match {
  const parts = path.split('/');
  const allowed: string[] = [];
  for (const route of routes) {
    const params = paramsOf(route.path.split('/'), parts);
    if (params === undefined) continue;
    if (route.method === method) return { kind: 'found', handler: route.handler, params };
    allowed.push(route.method);
  }
  return allowed.length > 0 ? { kind: 'wrong-method', allowed } : { kind: 'unknown' };
}

function paramsOf(pattern: readonly string[], parts: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== parts.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, wanted] of pattern.entries()) {
    const found = parts[index] ?? '';
    if (wanted.startsWith(':')) {
      const value = decodePart(found);
      if (value === undefined || value === '') return undefined;
      params[wanted.slice(1)] = value;
    } else if (wanted !== found) return undefined;
  }
  return params;
}

function decodePart(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined; // a percent sign with nothing meant by it
  }
}
