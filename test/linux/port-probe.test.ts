import '../support/private-host.ts';
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { isPortTaken } from '../../src/linux/port-probe.ts';
import { readRulesetGeneration } from '../../src/linux/ruleset-generation.ts';
import { sh } from '../support/private-host.ts';

test('a TCP port with a listener is taken on the addresses that it listens on, and on all of them', async () => {
  const server = createServer().listen(8081, '127.0.0.1');
  await once(server, 'listening');
  assert.equal(isPortTaken('tcp', '127.0.0.1', 8081), true);
  assert.equal(isPortTaken('tcp', '0.0.0.0', 8081), true);
  assert.equal(isPortTaken('tcp', '192.168.77.1', 8081), false);
  assert.equal(isPortTaken('tcp', '::', 8081), false);
  assert.equal(isPortTaken('udp', '127.0.0.1', 8081), false);
  server.close();
  await once(server, 'close');
  assert.equal(isPortTaken('tcp', '0.0.0.0', 8081), false);
});

test('a listener for IPv6 and IPv4 together takes the port of both', async () => {
  const server = createServer().listen(8082);
  await once(server, 'listening');
  assert.deepEqual([isPortTaken('tcp', '0.0.0.0', 8082), isPortTaken('tcp', 'fd77::1', 8082)], [true, true]);
  server.close();
  await once(server, 'close');
});

test('what is left of closed connections does not take a port', async () => {
  const server = createServer((socket) => socket.end()).listen(8083);
  await once(server, 'listening');
  const client = connect(8083, '127.0.0.1').resume();
  await once(client, 'close');
  server.close();
  await once(server, 'close');
  assert.match(sh('ss -Htan sport = :8083'), /TIME-WAIT/);
  assert.equal(isPortTaken('tcp', '0.0.0.0', 8083), false);
});

test('a bound UDP port is taken, also by somebody who would share it', async () => {
  const socket = createSocket({ type: 'udp4', reuseAddr: true }).bind(8084);
  await once(socket, 'listening');
  assert.deepEqual([isPortTaken('udp', '0.0.0.0', 8084), isPortTaken('tcp', '0.0.0.0', 8084)], [true, false]);
  socket.close();
});

test('an address that the host does not have is taken by nobody, and what is no address is refused', () => {
  assert.equal(isPortTaken('tcp', '203.0.113.7', 80), false);
  assert.equal(isPortTaken('sctp', '0.0.0.0', 80), false);
  assert.throws(() => isPortTaken('tcp', 'web', 80), { code: 'InvalidArgument' });
});

test('the generation of the ruleset goes up by one with each change, and only then', () => {
  const first = readRulesetGeneration();
  assert.ok(first !== undefined);
  assert.equal(readRulesetGeneration(), first);
  sh('nft add table inet probe');
  assert.equal(readRulesetGeneration(), first + 1);
  sh("nft 'add set inet probe a { type ipv4_addr; }; add element inet probe a { 10.0.0.1, 10.0.0.2 }'");
  assert.equal(readRulesetGeneration(), first + 2);
  sh('nft list ruleset');
  assert.equal(readRulesetGeneration(), first + 2);
});
