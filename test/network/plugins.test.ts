import '../support/private-host.ts';
import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { open } from '../../src/linux/abi.ts';
import { BRIDGE, NetworkLab } from '../support/network-lab.ts';
import { sh } from '../support/private-host.ts';

/** Prints the result of a plugin that has made nothing. */
const RESULT = `echo '{"cniVersion":"1.0.0","ips":[{"address":"10.99.0.9/24"}]}'`;

/** A lab whose network is the one plugin `odd`, with this script. */
async function oddLab(script: string, options: ConstructorParameters<typeof NetworkLab>[0] = {}): Promise<NetworkLab> {
  const lab = new NetworkLab(options);
  lab.writePlugin('odd', script);
  await lab.configure([
    { type: 'odd', 'odd/option': { deep: [1, null] }, capabilities: { bandwidth: true, dns: true } },
  ]);
  return lab.open();
}

/** Processes with this in their command line, by number. */
function processesWith(mark: string): string[] {
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(mark);
    } catch {
      return false; // it has ended
    }
  });
}

test('a plugin gets its orders, an environment of its own, and nothing of the daemon', async () => {
  await using lab = await oddLab(
    `cat >/run/lab/input-$CNI_COMMAND; env >/run/lab/env-$CNI_COMMAND; ls /proc/self/fd >/run/lab/fds; pwd >/run/lab/pwd
    umask >/run/lab/umask; ${RESULT}`,
  );
  process.env['SECRET_OF_THE_DAEMON'] = 'x';
  openSync('/etc/passwd', 'r');
  open('/etc/passwd', 0);
  const pod = { name: 'web', namespace: 'shop', uid: 'u-1', attempt: 0 };
  const dns = { servers: ['10.0.0.10'], searches: [], options: [] };
  const annotations = { 'kubernetes.io/egress-bandwidth': '10M' };
  const order = await lab.order({ pod, dns, annotations, cgroupParent: '/kubepods/pod1' });

  assert.deepEqual(await lab.attach(order), { addresses: ['10.99.0.9'] });
  await lab.detach(order);

  const read = (name: string): string => readFileSync(`/run/lab/${name}`, 'utf8').trim();
  const config = {
    type: 'odd',
    'odd/option': { deep: [1, null] },
    capabilities: { bandwidth: true, dns: true },
    name: 'lab',
    cniVersion: '1.0.0',
    runtimeConfig: { bandwidth: { egressRate: 10_000_000, egressBurst: 4_294_967_295 }, dns },
  };
  assert.deepEqual(JSON.parse(read('input-ADD')), config);
  const prevResult = { cniVersion: '1.0.0', ips: [{ address: '10.99.0.9/24' }] };
  assert.deepEqual(JSON.parse(read('input-DEL')), { ...config, prevResult });
  const environment = read('env-ADD').split('\n');
  for (const line of [
    'CNI_COMMAND=ADD',
    `CNI_CONTAINERID=${order.sandboxId}`,
    `CNI_NETNS=${order.netns}`,
    'CNI_IFNAME=eth0',
    'CNI_PATH=/run/lab/plugins:/usr/lib/cni',
    `CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=${order.sandboxId};K8S_POD_UID=u-1`,
  ]) {
    assert.ok(environment.includes(line), `${line} in ${environment.join(' ')}`);
  }
  assert.ok(environment.some((line) => /^PATH=.*\/usr\/sbin/.test(line)));
  assert.ok(!environment.some((line) => line.startsWith('SECRET_')));
  assert.deepEqual([read('fds').split('\n').length, read('pwd'), read('umask')], [4, '/', '0022']); // ls has its folder open
  delete process.env['SECRET_OF_THE_DAEMON'];
});

for (const [what, script, message] of [
  [
    'fails with an error',
    `echo '{"code":999,"msg":"no","details":"because"}'; exit 1`,
    /"odd" says: no; because \(code 999\)/,
  ],
  ['crashes', 'echo "panic: oh" >&2; exit 2', /"odd" says: panic: oh \(exit code 2\)/],
  ['is killed', 'kill -KILL $$', /"odd" says: it says nothing \(exit code 137\)/],
  ['prints garbage', 'echo garbage', /"odd" says: it printed "garbage\\?n?" in place of a result/],
  ['prints nothing', 'exit 0', /"odd" says: it printed nothing in place of a result/],
  ['gives no address', `echo '{"cniVersion":"1.0.0"}'`, /"odd" says: its result has no IP address for the sandbox/],
] as const) {
  test(`a plugin that ${what} is named in the failure, and what it has made is taken back`, async () => {
    await using lab = await oddLab(
      `if [ $CNI_COMMAND = DEL ]; then rm /run/lab/made; exit 0; fi; : >/run/lab/made; ${script}`,
    );
    const order = await lab.order();
    await assert.rejects(lab.attach(order), { code: 'Internal', message });
    assert.ok(existsSync('/run/lab/made'));
    await lab.detach(order);
    assert.ok(!existsSync('/run/lab/made'));
    assert.deepEqual(lab.census(), []);
  });
}

test('a plugin that hangs is ended at its deadline, with everything that it has started', async () => {
  const script = '[ $CNI_COMMAND = DEL ] && exit 0; sleep 4721 & (sleep 4722 & wait) & wait';
  await using lab = await oddLab(script, { pluginTimeoutMs: 300 });
  const order = await lab.order();
  const begunAt = performance.now();
  await assert.rejects(lab.attach(order), { code: 'DeadlineExceeded', message: /odd": no answer within 300 ms/ });
  assert.ok(performance.now() - begunAt < 10_000);
  while (processesWith('472').length > 0) await sleepFor(5);
  await lab.detach(order);
});

test('a plugin that leaves processes behind is not waited for, and they do not stay zombies', async () => {
  await using lab = await oddLab(`for n in 1 2 3 4 5; do (sleep 0.0$n) & done; (sleep 4723) & ${RESULT}`);
  const order = await lab.order();
  const begunAt = performance.now();
  await lab.attach(order);
  assert.ok(performance.now() - begunAt < 10_000);
  await lab.detach(order);
  while (processesWith('4723').length > 0) await sleepFor(5);
  const children = (): string => readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim();
  while (children() !== '') await sleepFor(5);
});

test('a plugin that is missing makes the network unavailable; at a detach it is a failure that goes when it comes', async () => {
  await using lab = await oddLab(RESULT);
  const order = await lab.order();
  await lab.attach(order);
  rmSync('/run/lab/plugins/odd');
  await lab.configure([{ type: 'odd' }]); // another object of the same name: it is asked for anew

  assert.equal(lab.network.trouble, 'network "lab" needs plugin "odd", which is not in /run/lab/plugins, /usr/lib/cni');
  const late = await lab.order();
  await assert.rejects(lab.attach(late), { code: 'Unavailable', message: /needs plugin "odd"/ });
  await assert.rejects(lab.detach(order), { code: 'Unavailable', message: /Cannot find network plugin "odd"/ });

  lab.writePlugin('odd', RESULT);
  await lab.attach(late); // which looks again by itself
  await lab.detach(late);
  await lab.detach(order);
  assert.deepEqual(lab.census(), []);
});

test('a plugin whose file is being written is tried again', async () => {
  await using lab = await oddLab(RESULT);
  const order = await lab.order();
  lab.writePlugin('odd', RESULT);
  const writer = openSync('/run/lab/plugins/odd', 'a');
  const attaching = lab.attach(order);
  await sleepFor(300);
  closeSync(writer);
  await attaching;
  await lab.detach(order);
});

test('plugins are called in order with the result of the one before, and back in reverse with the last one', async () => {
  const lab = new NetworkLab();
  for (const [name, address] of [
    ['first', '10.99.0.1/24'],
    ['second', '10.99.0.2/24'],
  ] as const) {
    lab.writePlugin(
      name,
      `echo "$CNI_COMMAND ${name} $(sed 's/.*prevResult[^/]*"\\(10[^"]*\\)".*/\\1/; t; s/.*/none/')" >>/run/lab/calls
       echo '{"cniVersion":"1.0.0","ips":[{"address":"${address}"}]}'`,
    );
  }
  await using _ = lab;
  await lab.configure([{ type: 'first' }, { type: 'second' }]);
  await lab.open();
  const order = await lab.order();
  assert.deepEqual(await lab.attach(order), { addresses: ['10.99.0.2'] });
  await lab.detach(order);
  assert.deepEqual(readFileSync('/run/lab/calls', 'utf8').trim().split('\n'), [
    'ADD first none',
    'ADD second 10.99.0.1/24',
    'DEL second 10.99.0.2/24',
    'DEL first 10.99.0.2/24',
  ]);
});

test('a DEL ends at the first plugin that fails, and goes on past those that have nothing to do', async () => {
  const lab = new NetworkLab();
  await using _ = lab;
  lab.writePlugin('first', `echo "$CNI_COMMAND first" >>/run/lab/calls; ${RESULT}`);
  lab.writePlugin(
    'second',
    `echo "$CNI_COMMAND second" >>/run/lab/calls; [ $CNI_COMMAND = ADD ] || { cat /run/lab/answer; exit 1; }; ${RESULT}`,
  );
  await lab.configure([{ type: 'first' }, { type: 'second' }]);
  await lab.open();
  const order = await lab.order();
  await lab.attach(order);
  writeFileSync('/run/lab/answer', '{"code":999,"msg":"still busy"}');
  await assert.rejects(lab.detach(order), {
    message: /Cannot detach sandbox ".*": network plugin "second" says: still busy/,
  });
  writeFileSync('/run/lab/answer', '{"code":3,"msg":"who?"}');
  await lab.detach(order);
  assert.deepEqual(readFileSync('/run/lab/calls', 'utf8').trim().split('\n'), [
    'ADD first',
    'ADD second',
    'DEL second',
    'DEL second',
    'DEL first',
  ]);
});

test('many detaches do not wait for attaches that hang', async () => {
  await using lab = await oddLab(`[ $CNI_COMMAND = DEL ] || [ ! -e /run/lab/hang ] || sleep 4724; ${RESULT}`);
  const attached = await Promise.all(Array.from({ length: 6 }, () => lab.order()));
  for (const order of attached) await lab.attach(order);
  writeFileSync('/run/lab/hang', '');
  const abort = new AbortController();
  const hanging = await Promise.all(Array.from({ length: 8 }, () => lab.order()));
  const attaching = hanging.map((order) => lab.attach(order, abort.signal));
  const results = Promise.allSettled(attaching);
  while (processesWith('4724').length < 4) await sleepFor(5);

  await Promise.all(attached.map((order) => lab.detach(order)));

  assert.equal(processesWith('4724').filter((pid) => !isShell(pid)).length, 4, 'no more than four at once');
  abort.abort();
  for (const result of await results) assert.equal(result.status, 'rejected');
  for (const order of hanging) await lab.detach(order);
  assert.deepEqual(lab.census(), []);
});

function isShell(pid: string): boolean {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('/run/lab');
}

test('a network of version 1.1.0 is asked whether it works, and told what is in use', async () => {
  const lab = new NetworkLab();
  await using _ = lab;
  lab.writePlugin(
    'odd',
    `case $CNI_COMMAND in
    STATUS) [ ! -e /run/lab/down ] || { echo '{"code":50,"msg":"the backend is down"}'; exit 1; } ;;
    GC) cat >/run/lab/gc-new; mv /run/lab/gc-new /run/lab/gc ;;
    *) echo '{"cniVersion":"1.1.0","ips":[{"address":"10.99.0.9/24"}]}' ;;
    esac`,
  );
  writeFileSync('/run/lab/down', '');
  await lab.configure([{ type: 'odd' }], { cniVersion: '1.1.0' });
  await lab.open();
  await lab.network.look();
  assert.equal(lab.network.trouble, 'network plugin "odd" says: the backend is down (code 50)');
  const order = await lab.order();
  await assert.rejects(lab.attach(order), { code: 'Unavailable', message: /the backend is down/ });
  rmSync('/run/lab/down');
  await lab.attach(order);

  await lab.open();
  await lab.network.restore([]);

  while (!existsSync('/run/lab/gc')) await sleepFor(5);
  const told = JSON.parse(readFileSync('/run/lab/gc', 'utf8')) as Record<string, unknown>;
  assert.deepEqual(told['cni.dev/valid-attachments'], [{ containerID: order.sandboxId, ifname: 'eth0' }]);
  await lab.detach(order);
});

test('a network of an older version is not asked what it does not know', async () => {
  await using lab = await oddLab(`echo $CNI_COMMAND >>/run/lab/calls; ${RESULT}`);
  const order = await lab.order();
  await lab.attach(order);
  await lab.open();
  await lab.network.look();
  await lab.network.restore([]);
  await lab.detach(order);
  assert.deepEqual(readFileSync('/run/lab/calls', 'utf8').trim().split('\n'), ['ADD', 'DEL']);
});

test("a check tells what is wrong with a sandbox's network", async () => {
  const lab = new NetworkLab();
  await using _ = lab;
  await lab.configure([BRIDGE]);
  await lab.open();
  const order = await lab.order();
  await lab.attach(order);
  await lab.network.check(order.sandboxId);
  sh(`nsenter --net=${order.netns} ip address flush dev eth0`);
  await assert.rejects(lab.network.check(order.sandboxId), { message: /network plugin "bridge" says: .*addr/i });
  await lab.configure([BRIDGE], { disableCheck: true });
  const unchecked = await lab.order();
  await lab.attach(unchecked);
  sh(`nsenter --net=${unchecked.netns} ip address flush dev eth0`);
  await lab.network.check(unchecked.sandboxId);
  await lab.detach(order);
  await lab.detach(unchecked);
});
