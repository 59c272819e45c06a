import { containersOf } from './containers.ts';
import type { Containers } from './containers.ts';
import { daemonOf } from './daemon.ts';
import type { Daemon } from './daemon.ts';
import type { Door } from './exchange.ts';
import { imagesOf } from './images.ts';
import type { Images } from './images.ts';
import { sandboxesOf } from './sandboxes.ts';
import type { Sandboxes } from './sandboxes.ts';

const USUAL_SOCKET = '/run/berth/berth.sock';

export interface ConnectOptions {
  /** Path of the daemon's socket; left out: `BERTH_SOCKET`, else `/run/berth/berth.sock`. */
  readonly socket?: string;
  /** Who asks, for the timeline: `cli`. */
  readonly name?: string;
}

/** One function per route of berth's own door. Nothing is open between two calls. */
export interface Client extends Daemon {
  readonly socket: string;
  readonly containers: Containers;
  readonly images: Images;
  readonly sandboxes: Sandboxes;
}

/** Reaches nobody yet: each call opens a connection of its own, so a daemon may come and go between two of them. */
export function connect(options: ConnectOptions = {}): Client {
  const socket = options.socket ?? process.env['BERTH_SOCKET'] ?? USUAL_SOCKET;
  const door: Door = { socket, name: options.name ?? 'node' };
  return {
    socket,
    ...daemonOf(door),
    containers: containersOf(door),
    images: imagesOf(door),
    sandboxes: sandboxesOf(door),
  };
}
