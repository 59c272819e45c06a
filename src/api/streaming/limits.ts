/** @see k8s.io/cri-streaming for the times of tokens, streams and idleness that clients are used to */
export interface Limits {
  /** How long a URL can be used, in ms. */
  readonly tokenMs: number;
  /** URLs that nobody has used yet. */
  readonly mostTokens: number;
  /** How long a client may take to open the streams of a session, in ms. */
  readonly streamCreationMs: number;
  /** How long nothing may be said in either direction, in ms; 0: for ever. */
  readonly idleMs: number;
  /** How often a client whose data nobody takes at the moment is sent a sign of life, in ms. */
  readonly beatMs: number;
  /** Output that waits for a slow client, per stream. Beyond it the client is dropped. */
  readonly outputCapBytes: number;
  /**
   * How long a client that is to get the end of a session may take nothing at all of it, in ms. Not short: a kernel's
   * buffer is full of megabytes before we see that a slow client takes anything.
   */
  readonly stallMs: number;
  /** How long a client may take to close its side of a connection that is over, in ms. */
  readonly lingerMs: number;
  /** How long a connection may take until it has brought a token, in ms. */
  readonly handshakeMs: number;
  /** Connections that have not brought a token yet. Anybody on the host can open one. */
  readonly mostStrangers: number;
}

export const DEFAULT_LIMITS: Limits = {
  tokenMs: 60_000,
  mostTokens: 1_000,
  streamCreationMs: 30_000,
  idleMs: 4 * 3_600_000,
  beatMs: 10_000, // client-go gives a WebSocket up after 61 s without a pong
  outputCapBytes: 16 << 20,
  stallMs: 300_000,
  lingerMs: 5_000,
  handshakeMs: 10_000,
  mostStrangers: 256,
};
