import '../support/private-host.ts';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { BRIDGE, NetworkLab } from '../support/network-lab.ts';
import { forwardedPorts } from '../support/nft-elements.ts';
import type { NetworkUnderTest } from './network.ts';
import { testNetwork } from './network.ts';

/** Debian's bridge plugin, in moods. */
const MOODY_BRIDGE = `
case $(cat /run/lab/mood-$CNI_COMMAND 2>/dev/null) in
fails)
  [ $CNI_COMMAND = DEL ] || /usr/lib/cni/bridge >/dev/null
  echo '{ "cniVersion": "1.0.0", "code": 999, "msg": "the plugin fails on purpose" }'
  exit 1
  ;;
again)
  echo '{ "cniVersion": "1.0.0", "code": 11, "msg": "try again later" }'
  exit 1
  ;;
hang)
  : >/run/lab/called
  exec sleep 1000
  ;;
esac
exec /usr/lib/cni/bridge
`;
const COMMANDS = { attach: 'ADD', detach: 'DEL' } as const;

async function open(usesBuiltIn: boolean): Promise<NetworkUnderTest> {
  const lab = new NetworkLab({ usesBuiltIn, pluginTimeoutMs: 5_000 });
  lab.writePlugin('bridge', MOODY_BRIDGE);
  if (!usesBuiltIn) await lab.configure([BRIDGE]);
  await lab.open();
  const servers: { close(): void }[] = [];
  return {
    get network() {
      return lab.network;
    },
    makeNamespace: (sandboxId) => lab.pin(sandboxId),
    removeNamespace: (sandboxId) => lab.unpin(sandboxId),
    setMood: (verb, mood) => writeFileSync(`/run/lab/mood-${COMMANDS[verb]}`, mood),
    setConfigured: async (isConfigured) => {
      if (usesBuiltIn) lab.setUsesBuiltIn(isConfigured);
      else if (isConfigured) await lab.configure([BRIDGE]);
      else rmSync(`${lab.configFolder}/10-lab.conflist`);
      if (usesBuiltIn) await lab.open();
      else await lab.network.look();
    },
    occupy: async (port) => {
      const server = createServer().listen(port);
      await once(server, 'listening');
      servers.push(server);
      return `${readFileSync('/proc/self/comm', 'utf8').trim()} (pid ${process.pid})`;
    },
    forwarded: () => Promise.resolve(forwardedPorts()),
    untilCalled: async () => {
      while (!existsSync('/run/lab/called')) await sleepFor(5);
    },
    complete: (promise) => promise,
    census: () => Promise.resolve([...lab.census().filter((each) => !LASTING.test(each)), ...forwardedPorts()]),
    restart: async () => {
      await lab.open();
    },
    [Symbol.asyncDispose]: async () => {
      for (const server of servers) server.close();
      await lab[Symbol.asyncDispose]();
    },
  };
}

/** What stays for the next sandbox: the bridges, and the table without its elements. */
const LASTING = /^(link (berth0|cni0)$|rule )/;

testNetwork('a bridge by CNI configuration', () => open(false));
testNetwork('the built-in network', () => open(true));
