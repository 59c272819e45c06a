/** What is opened and shut: reading from a connection. */
export interface Valve {
  pause(): void;
  resume(): void;
}

/** Bytes of all streams of a connection that have arrived and were not read. */
const CONNECTION_LIMIT_BYTES = 8 << 20;

/**
 * Stops reading from a connection that brings more than is taken. Neither SPDY as Go speaks it nor WebSocket has a
 * window for each stream, so the connection as a whole is the only thing that can be held up.
 */
export class FlowGate {
  readonly #valve: Valve;
  #bytes = 0;
  #holds = 0;
  #isShut = false;
  #staysOpen = false;

  constructor(valve: Valve) {
    this.#valve = valve;
  }

  get isShut(): boolean {
    return this.#isShut;
  }

  /** Counts what has arrived (positive) or was read (negative). */
  add(bytes: number): void {
    this.#bytes += bytes;
    this.#settle();
  }

  /** Nothing is read until it is released as often as it was held. */
  hold(): void {
    this.#holds += 1;
    this.#settle();
  }

  release(): void {
    this.#holds -= 1;
    this.#settle();
  }

  /** From here on all is read, whoever holds it: nobody wants it any more, but the peer's goodbye is behind it. */
  openForGood(): void {
    this.#staysOpen = true;
    this.#settle();
  }

  #settle(): void {
    // Half of the limit in between, so that it does not open and shut with every chunk.
    const limit = this.#isShut ? CONNECTION_LIMIT_BYTES / 2 : CONNECTION_LIMIT_BYTES;
    const mustShut = !this.#staysOpen && (this.#holds > 0 || this.#bytes >= limit);
    if (mustShut === this.#isShut) return;
    this.#isShut = mustShut;
    if (mustShut) this.#valve.pause();
    else this.#valve.resume();
  }
}

/** What waits in one place of a connection. More than its limit holds the whole connection up. */
export class Backlog {
  readonly #gate: FlowGate;
  readonly #limitBytes: number;
  #bytes = 0;
  #isHolding = false;

  constructor(gate: FlowGate, limitBytes: number) {
    this.#gate = gate;
    this.#limitBytes = limitBytes;
  }

  /** Counts what has come (positive) or was taken (negative). */
  add(bytes: number): void {
    this.#bytes += bytes;
    this.#gate.add(bytes);
    const mustHold = this.#bytes >= (this.#isHolding ? this.#limitBytes / 2 : this.#limitBytes);
    if (mustHold === this.#isHolding) return;
    this.#isHolding = mustHold;
    if (mustHold) this.#gate.hold();
    else this.#gate.release();
  }

  clear(): void {
    this.add(-this.#bytes);
  }
}
