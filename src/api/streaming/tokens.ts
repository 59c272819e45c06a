import { randomBytes } from 'node:crypto';
import { BerthError } from '../../base/errors.ts';

/** 128 bits: whoever can reach the port cannot guess one. */
const TOKEN_BYTES = 16;

interface Entry<T> {
  readonly value: T;
  /** `performance.now()` */
  readonly expiresAt: number;
}

/** Values that can be fetched once, for a short time, by whoever knows the token. */
export class Tokens<T> {
  readonly #lifetimeMs: number;
  readonly #most: number;
  /** In the order in which they expire. */
  readonly #entries = new Map<string, Entry<T>>();

  constructor(lifetimeMs: number, most: number) {
    this.#lifetimeMs = lifetimeMs;
    this.#most = most;
  }

  /** @throws BerthError ResourceExhausted when too many are waiting to be used */
  issue(value: T): string {
    this.#dropExpired();
    if (this.#entries.size >= this.#most) {
      const seconds = this.#lifetimeMs / 1_000;
      throw new BerthError(
        'ResourceExhausted',
        `Cannot open a session: ${this.#most} others wait for their clients; each is forgotten after ${seconds} s`,
      );
    }
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    this.#entries.set(token, { value, expiresAt: performance.now() + this.#lifetimeMs });
    return token;
  }

  /** The token is of no use afterwards. Undefined: it is not known, or too old. */
  redeem(token: string): T | undefined {
    this.#dropExpired();
    const entry = this.#entries.get(token);
    this.#entries.delete(token);
    return entry?.value;
  }

  clear(): void {
    this.#entries.clear();
  }

  #dropExpired(): void {
    const now = performance.now();
    for (const [token, { expiresAt }] of this.#entries) {
      if (expiresAt > now) return;
      this.#entries.delete(token);
    }
  }
}
