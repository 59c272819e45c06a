import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCriServer } from '../../src/api/cri/index.ts';
import type { CriServer } from '../../src/api/cri/index.ts';
import { silentLog } from '../../src/base/log.ts';
import type { Log } from '../../src/base/log.ts';
import { fakeCriEngine } from '../fakes/fake-cri-engine.ts';
import type { CriEngineParts } from '../fakes/fake-cri-engine.ts';
import { Cri } from './cri.ts';

/** The real door on a socket of its own, over an engine that is made up, with one client. */
export class ServedCri implements AsyncDisposable {
  readonly socket: string;
  readonly server: CriServer;
  readonly client: Cri;
  readonly #folder = mkdtempSync(join(tmpdir(), 'berth-cri-'));

  private constructor(engine: CriEngineParts, log: Log) {
    this.socket = join(this.#folder, 'cri.sock');
    this.server = createCriServer({
      engine: fakeCriEngine(engine),
      log,
      about: { version: '0.1.0', handlers: ['crun', 'runc'], configuration: { stateDir: '/run/berth' } },
      peerOf: () => 'uid 0, pid 1',
    });
    this.client = new Cri(this.socket);
  }

  static async open(engine: CriEngineParts = {}, log: Log = silentLog): Promise<ServedCri> {
    const served = new ServedCri(engine, log);
    served.server.listener.listen(served.socket);
    await once(served.server.listener, 'listening');
    return served;
  }

  get runtime(): Cri['runtime'] {
    return this.client.runtime;
  }

  get images(): Cri['images'] {
    return this.client.images;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client[Symbol.dispose]();
    const closed = once(this.server.listener, 'close');
    this.server.close();
    await closed;
    rmSync(this.#folder, { recursive: true });
  }
}
