import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const PROGRAM = process.env['BERTH_TEST_REGISTRY'] ?? 'docker-registry';

export interface RegistryOptions {
  /** The folder with its images; made when it is not there. */
  readonly storage: string;
  /** Refuses every push, so that several registries may serve the same folder at once. */
  readonly isReadOnly?: boolean;
  /** More of its configuration: top-level YAML. */
  readonly config?: string;
}

/** A real registry on a loopback port that the kernel has chosen. It ends with its test, even when that is killed. */
export class Registry implements AsyncDisposable {
  /** `127.0.0.1:PORT`. It speaks plain HTTP. */
  readonly address: string;
  readonly #process: ChildProcess;

  private constructor(address: string, child: ChildProcess) {
    this.address = address;
    this.#process = child;
  }

  static async start(options: RegistryOptions): Promise<Registry> {
    const folder = mkdtempSync(join(tmpdir(), 'berth-registry-'));
    writeFileSync(`${folder}/config.yml`, configOf(options));
    mkdirSync(options.storage, { recursive: true });
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', PROGRAM, 'serve', `${folder}/config.yml`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    try {
      return new Registry(await addressIn(child), child);
    } finally {
      rmSync(folder, { recursive: true, force: true }); // it has read it
    }
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    await gone;
  }
}

/** @see docs.docker.com/registry/configuration: port 0, which its log then tells as a number */
function configOf({ storage, isReadOnly = false, config = '' }: RegistryOptions): string {
  return `version: 0.1
log: { level: info, formatter: json, accesslog: { disabled: true } }
storage:
  filesystem: { rootdirectory: ${JSON.stringify(storage)} }
  delete: { enabled: true }
  maintenance:
    uploadpurging: { enabled: false }
    readonly: { enabled: ${isReadOnly} }
http: { addr: 127.0.0.1:0 }
${config}`;
}

async function addressIn(child: ChildProcess): Promise<string> {
  const output = child.stderr;
  if (output === null) throw new Error('Cannot start a registry: its output is not there');
  const said: string[] = [];
  for await (const line of createInterface({ input: output })) {
    said.push(line);
    const address = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
    if (address === undefined) continue;
    output.resume(); // or it would stop at a full pipe
    return address;
  }
  throw new Error(`Cannot start a registry: it ended\n${said.join('\n')}`);
}

/** Writes a `config_path` folder that sends a runtime to a registry for each of the hosts, and nowhere else. */
export function writeMirrors(folder: string, address: string, hosts: readonly string[]): void {
  for (const host of hosts) {
    mkdirSync(`${folder}/${host}`, { recursive: true });
    writeFileSync(
      `${folder}/${host}/hosts.toml`,
      `server = "http://${address}"\n\n[host."http://${address}"]\ncapabilities = ["pull", "resolve"]\n`,
    );
  }
}
