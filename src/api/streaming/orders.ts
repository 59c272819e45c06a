import type { Duplex } from 'node:stream';

/** In characters. */
export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

/** One output of a command on its way to the client. */
export interface SessionOutput {
  /**
   * Takes the data at once and resolves when there is room for more, so whoever awaits it is slowed down to the
   * client's pace. Whoever must not be slowed down need not await it: a client that falls behind by more than the
   * server's cap is dropped, and the session's signal aborts. Never rejects: what is written for a client that is gone
   * vanishes. The data must not be changed afterwards.
   */
  write(data: Uint8Array): Promise<void>;
}

/** What a client has connected to a command. A stream that was not ordered is undefined. */
export interface SessionStreams {
  /** Ends when the client says so, and when it goes away; the signal tells the two apart. What is not read waits. */
  readonly stdin: AsyncIterable<Uint8Array> | undefined;
  readonly stdout: SessionOutput | undefined;
  readonly stderr: SessionOutput | undefined;
  /** The newest size, whenever it is another one. Ends with the session; without a terminal there is nothing in it. */
  readonly resizes: AsyncIterable<TerminalSize>;
}

interface CommandFlags {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** @property code 0–255, as a shell would see it */
export interface ExitStatus {
  readonly code: number;
}

/** A command that is to be run for the client which brings the token. */
export interface ExecOrder extends CommandFlags {
  /**
   * Runs it. The session lasts until this settles, even when the client keeps stdin open; what it rejects with is
   * told to the client.
   * @param signal aborts when the client went away, was too slow or idle, or when the server ends. Nobody waits for
   *   the result then, so an implementation decides by itself whether the command ends. It never aborts afterwards
   */
  readonly exec: (io: SessionStreams, signal: AbortSignal) => Promise<ExitStatus>;
}

/** A container's PID 1 that the client looks at. Several clients may do so; none of them may hold up its output. */
export interface AttachOrder extends CommandFlags {
  /** As `exec`; resolves when the container has ended. Its exit code is no matter of an attach. */
  readonly attach: (io: SessionStreams, signal: AbortSignal) => Promise<void>;
}

export interface PortForwardOrder {
  /** Used by WebSocket clients of the old form only, which cannot name a port themselves. */
  readonly ports: readonly number[];
  /**
   * Carries one TCP connection to a port of the sandbox, until both directions are at their end. What it rejects with
   * is told to the client, unless the stream was destroyed already.
   * @param stream half open, as a TCP connection is: its end in one direction is passed on, the other goes on
   * @param signal aborts when the client gave this connection up, or is gone altogether
   */
  readonly forward: (port: number, stream: Duplex, signal: AbortSignal) => Promise<void>;
}

/** Exec and attach are the same thing to a connection. */
export interface CommandOrder extends CommandFlags {
  readonly run: (io: SessionStreams, signal: AbortSignal) => Promise<ExitStatus | undefined>;
}

/** What a token stands for. */
export type Order =
  | { readonly kind: 'exec' | 'attach'; readonly command: CommandOrder }
  | { readonly kind: 'portforward'; readonly forwarding: PortForwardOrder };
