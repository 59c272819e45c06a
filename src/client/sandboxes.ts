import type { SandboxAnswer, WhyAnswer } from '../api/berth/index.ts';
import type { Waiting } from './containers.ts';
import { ask, pathOf } from './exchange.ts';
import type { Door } from './exchange.ts';

/** The sandboxes of pods, by name, id, or a prefix of the id that fits one only. */
export interface Sandboxes {
  list(options?: Waiting): Promise<readonly SandboxAnswer[]>;
  /** Kills its containers and takes its network down. */
  stop(id: string, options?: Waiting): Promise<void>;
  remove(id: string, options?: Waiting): Promise<void>;
  why(id: string, options?: Waiting): Promise<WhyAnswer>;
}

export function sandboxesOf(door: Door): Sandboxes {
  return {
    list: async ({ signal } = {}) => {
      const path = pathOf('sandboxes');
      return (await ask<{ readonly sandboxes: SandboxAnswer[] }>(door, { method: 'GET', path, signal })).sandboxes;
    },
    stop: async (id, { signal } = {}) =>
      void (await ask(door, { method: 'POST', path: pathOf('sandboxes', id, 'stop'), signal })),
    remove: async (id, { signal } = {}) =>
      void (await ask(door, { method: 'DELETE', path: pathOf('sandboxes', id), signal })),
    why: (id, { signal } = {}) => ask(door, { method: 'GET', path: pathOf('sandboxes', id, 'why'), signal }),
  };
}
