import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { newId } from '../../src/base/ids.ts';
import { parseFailpoints } from '../../src/base/failpoints.ts';
import type { Log } from '../../src/base/log.ts';
import type { NetworkAttachment, NetworkOrder } from '../../src/engine/ports.ts';
import { Children } from '../../src/linux/children.ts';
import { NamespaceThread } from '../../src/linux/namespaces.ts';
import { openNetwork } from '../../src/network/index.ts';
import type { CniNetwork, NetworkOptions } from '../../src/network/index.ts';
import { sh } from './private-host.ts';

/** Debian's plugins, and those of the tests before them. */
const PLUGIN_FOLDERS = ['/run/lab/plugins', '/usr/lib/cni'];

/** bridge and host-local as their documentation has them, with addresses of the lab's own. */
export const IPAM = { type: 'host-local', ranges: [[{ subnet: '10.99.0.0/24' }]], routes: [{ dst: '0.0.0.0/0' }] };
export const BRIDGE = { type: 'bridge', bridge: 'cni0', isGateway: true, ipMasq: false, ipam: IPAM };
export const PORTMAP = { type: 'portmap', capabilities: { portMappings: true } };

/** A daemon's network on a private host, with namespaces to attach to it. */
export class NetworkLab implements AsyncDisposable {
  readonly configFolder = '/run/lab/net.d';
  readonly stateFolder = '/run/lab/state';
  readonly children = new Children(() => false);
  readonly #thread = new NamespaceThread();
  #options: Partial<NetworkOptions>;
  readonly #started: Started[] = [];
  readonly #adopting = this.children.adoptOrphans();
  readonly said: string[] = [];
  #network: CniNetwork | undefined;

  constructor(options: Partial<NetworkOptions> = {}) {
    this.#options = options;
    for (const folder of [this.configFolder, '/run/lab/plugins']) mkdirSync(folder, { recursive: true });
  }

  get network(): CniNetwork {
    if (this.#network === undefined) throw new Error('the lab is not open');
    return this.#network;
  }

  /** Opens the daemon's network; called again, it is another daemon after the death of the first. */
  async open(): Promise<this> {
    this.#network?.close(); // a dead daemon does nothing any more
    this.#network = await openNetwork({
      configFolder: this.configFolder,
      pluginFolders: PLUGIN_FOLDERS,
      pluginTimeoutMs: 30_000,
      usesBuiltIn: false,
      subnet: '10.83.0.0/16',
      subnet6: 'fd62:6572:7468::/64',
      stateFolder: this.stateFolder,
      runFolder: '/run/lab/cni',
      children: this.children,
      log: this.#log(),
      failpoints: parseFailpoints(undefined),
      ...this.#options,
    });
    return this;
  }

  /** For the next `open`. */
  setUsesBuiltIn(usesBuiltIn: boolean): void {
    this.#options = { ...this.#options, usesBuiltIn };
  }

  /** Puts a network configuration where the network looks for one, and waits until it has been seen. */
  async configure(plugins: readonly object[], fields: object = {}): Promise<void> {
    this.writeConfig('10-lab.conflist', JSON.stringify({ cniVersion: '1.0.0', name: 'lab', plugins, ...fields }));
    await this.#network?.look();
  }

  writeConfig(name: string, text: string): void {
    writeFileSync(`${this.configFolder}/${name}`, text);
  }

  /** A plugin of the lab's own, as a shell script. */
  writePlugin(name: string, script: string): void {
    writeFileSync(`/run/lab/plugins/${name}`, `#!/bin/sh\n${script}\n`);
    chmodSync(`/run/lab/plugins/${name}`, 0o755);
  }

  /** A sandbox's order, with a namespace of its own. */
  async order(fields: Partial<NetworkOrder> = {}): Promise<NetworkOrder> {
    const sandboxId = newId();
    const netns = await this.pin(sandboxId);
    return {
      sandboxId,
      netns,
      pod: undefined,
      ports: [],
      dns: undefined,
      annotations: {},
      cgroupParent: undefined,
      ...fields,
    };
  }

  async pin(sandboxId: string): Promise<string> {
    const netns = netnsOf(sandboxId);
    await this.#thread.call({ op: 'pin', paths: { net: netns } });
    return netns;
  }

  async unpin(sandboxId: string): Promise<void> {
    await this.#thread.call({ op: 'unpin', path: netnsOf(sandboxId) });
  }

  attach(order: NetworkOrder, signal = new AbortController().signal): Promise<NetworkAttachment> {
    return this.network.attach(order, signal);
  }

  /** As the engine does it. */
  async detach({ sandboxId, netns }: NetworkOrder): Promise<void> {
    await this.network.detach(sandboxId, netns);
    await this.unpin(sandboxId);
  }

  /** Starts a program in a namespace, or on the host. It ends with the lab. */
  start(netns: string | undefined, program: readonly string[]): Started {
    const started = new Started(netns === undefined ? program : ['nsenter', `--net=${netns}`, ...program]);
    this.#started.push(started);
    return started;
  }

  /** Starts a server that answers questions with the address that they came from. */
  async answer(netns: string | undefined, port: number): Promise<void> {
    const program = new URL('../programs/answer.ts', import.meta.url).pathname;
    await this.start(netns, [process.execPath, program, String(port)]).untilSaid(/ready/);
  }

  /** Everything of networks that is on the host, but for what the kernel and the lab itself put there. */
  census(): string[] {
    const own = new Set(['lo', 'cable', 'ifb0', 'ifb1']);
    const links = sh("ip -o link | sed 's/^[0-9]*: //; s/[@:].*//'").trim().split('\n');
    const rules = sh('nft list ruleset').split('\n').filter(Boolean);
    return [
      ...links.filter((link) => !own.has(link)).map((link) => `link ${link}`),
      ...rules.map((rule) => `rule ${rule.trim()}`),
      ...filesIn('/run/netns')
        .filter((name) => name !== 'outside')
        .map((name) => `netns ${name}`),
      ...filesIn(`${this.stateFolder}/results`).map((name) => `record ${name}`),
      ...this.addresses().map((name) => `address ${name}`),
    ];
  }

  /** Those that host-local has noted as in use. */
  addresses(): string[] {
    const folders = ['/var/lib/cni/networks/lab', '/run/lab/cni/addresses/berth'];
    return folders.flatMap(filesIn).filter((name) => /^[0-9a-f]+[.:]/.test(name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const started of this.#started) started.process.kill('SIGKILL');
    await this.#cleanUp();
    await this.#network?.[Symbol.asyncDispose]();
    await this.#thread[Symbol.asyncDispose]();
    this.#adopting[Symbol.dispose]();
    for (const folder of ['/run/lab', '/var/lib/cni']) rmSync(folder, { recursive: true, force: true });
    if (existsSync('/proc/sys/net/ipv4/conf/cni0')) sh('ip link delete cni0'); // the plugin never does
  }

  /** What a test that has failed left behind must not make others fail. */
  async #cleanUp(): Promise<void> {
    rmSync('/run/lab/plugins', { recursive: true, force: true });
    for (const id of (await this.#network?.find()) ?? []) {
      await this.network.detach(id, netnsOf(id)).catch(() => undefined); // it has failed already
    }
    for (const name of filesIn('/run/netns').filter((each) => each !== 'outside')) {
      await this.#thread.call({ op: 'unpin', path: `/run/netns/${name}` });
    }
  }

  #log(): Log {
    const say =
      (level: string) =>
      (message: string, fields: object = {}): void => {
        this.said.push(`${level} ${message} ${JSON.stringify(fields)}`);
      };
    return { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') };
  }
}

const LONGEST_WAIT_MS = 30_000;

/** A program, and what it says. */
export class Started {
  readonly process: ChildProcess;
  readonly said: string[] = [];
  readonly ended: Promise<unknown>;

  constructor([file = '', ...args]: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.process = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } });
    this.ended = once(this.process, 'exit');
    this.process.stdout?.on('data', (data: Buffer) => this.said.push(data.toString()));
  }

  async untilSaid(words: RegExp): Promise<void> {
    const end = performance.now() + LONGEST_WAIT_MS;
    while (!words.test(this.said.join(''))) {
      if (performance.now() > end) throw new Error(`it does not say ${words}, but ${this.said.join('')}`);
      if (this.process.exitCode !== null) throw new Error(`it has ended, and said ${this.said.join('')}`);
      await sleepFor(5);
    }
  }
}

function netnsOf(sandboxId: string): string {
  return `/run/netns/berth-${sandboxId}`;
}

function filesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
