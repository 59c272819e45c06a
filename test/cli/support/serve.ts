import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApiServer } from '../../../src/api/berth/index.ts';
import type { DoctorAnswer } from '../../../src/api/berth/index.ts';
import { silentLog } from '../../../src/base/log.ts';
import type { Containers } from '../../../src/engine/containers.ts';
import type { Engine } from '../../../src/engine/index.ts';

/** The parts of an engine that a test wants to be its own. */
export interface EngineParts extends Partial<Omit<Engine, 'containers'>> {
  readonly containers?: Partial<Containers>;
}

/** The real door on a socket of its own, with an engine that may be made up. It can go away and come back. */
export class Served implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'berth-cli-'));
  readonly socket = join(this.folder, 'berth.sock');
  readonly #engine: Engine;
  readonly #findings: DoctorAnswer['findings'];
  #server: Server | undefined;

  private constructor(engine: EngineParts, findings: DoctorAnswer['findings']) {
    this.#engine = engine as Engine;
    this.#findings = findings;
  }

  static async open(engine: EngineParts, findings: DoctorAnswer['findings'] = []): Promise<Served> {
    const served = new Served(engine, findings);
    await served.come();
    return served;
  }

  async come(): Promise<void> {
    this.#server = createApiServer({
      engine: this.#engine,
      log: silentLog,
      version: '0.1.0',
      doctor: () => this.#findings,
      peerOf: () => 'uid 0, pid 1',
    });
    this.#server.listen(this.socket);
    await once(this.#server, 'listening');
  }

  /** As a daemon that is killed: no answer is ended, and nobody listens any more. */
  async go(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.go();
    rmSync(this.folder, { recursive: true });
  }
}
