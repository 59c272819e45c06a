import { Duplex } from 'node:stream';
import { whenAborted } from '../../../base/abort.ts';
import type { WebSocketConnection } from './connection.ts';

/** A byte stream in binary messages, whose borders mean nothing. */
export class Tunnel extends Duplex {
  readonly #connection: WebSocketConnection;
  #isHolding = false;

  constructor(connection: WebSocketConnection) {
    super({ allowHalfOpen: true });
    this.#connection = connection;
    connection.onMessage((message, isBinary) => this.#receive(message, isBinary));
    whenAborted(connection.gone, () => this.destroy());
  }

  override _read(): void {
    if (!this.#isHolding) return;
    this.#isHolding = false;
    this.#connection.gate.release();
  }

  override _write(data: Buffer, _encoding: string, done: () => void): void {
    this.#connection.send([data], done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this.#connection.send([Buffer.concat(chunks.map(({ chunk }) => chunk))], done);
  }

  override _final(done: () => void): void {
    void this.#connection.close();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.writableFinished) this.#connection.terminate();
    done(error);
  }

  #receive(message: Buffer, isBinary: boolean): void {
    if (!isBinary) this.destroy(new Error('a text message in a tunnel'));
    else if (message.length > 0 && !this.push(message) && !this.#isHolding) {
      this.#isHolding = true;
      this.#connection.gate.hold();
    }
  }
}
