import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { About } from './call.ts';
import type { CriEngine } from './engine-door.ts';

export interface CriParts {
  readonly engine: CriEngine;
  readonly log: Log;
  readonly about: About;
  /** Who is at the other end of a connection: `uid 0, pid 4711`. */
  readonly peerOf: (socket: Socket) => string;
}

export interface CriServer {
  /** To listen with. */
  readonly listener: Server;
  /** Ends every connection, and takes no more. */
  close(): void;
}

/** Takes a connection in. */
export type Accept = (socket: Socket) => void;

/**
 * The Kubernetes CRI over gRPC. What speaks it is loaded for the first client: a daemon that has none stays small.
 * @see https://github.com/kubernetes/cri-api
 */
export function createCriServer(parts: CriParts): CriServer {
  const sockets = new Set<Socket>();
  let grpc: Promise<Accept> | undefined;
  const load = async (): Promise<Accept> => {
    try {
      const { createGrpc } = await loadGrpc();
      return createGrpc(parts);
    } catch (error) {
      grpc = undefined; // the next client tries again
      throw error;
    }
  };
  const take = async (socket: Socket): Promise<void> => {
    try {
      // All that a handler is told of its connection is the remote address, of which a unix socket has none.
      Object.defineProperty(socket, 'remoteAddress', { value: parts.peerOf(socket) });
      grpc ??= load();
      const accept = await grpc;
      if (!socket.destroyed) accept(socket);
    } catch (error) {
      parts.log.error('the CRI cannot be served', { error: messageOf(error) });
      socket.destroy();
    }
  };
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => undefined); // it went away
    void take(socket);
  });
  return {
    listener,
    close: () => {
      listener.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Loads what is loaded for the first client. */
export async function loadGrpc(): Promise<{ readonly createGrpc: (parts: CriParts) => Accept }> {
  return import('./grpc.ts');
}
