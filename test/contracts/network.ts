import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newId, shortId } from '../../src/base/ids.ts';
import type { Network, NetworkAttachment, NetworkOrder } from '../../src/engine/ports.ts';
import type { PortMapping } from '../../src/engine/sandbox/state.ts';

/** What plugins do when they are called: `again`: they say "try again later"; `hang`: nothing at all. */
export type PluginMood = 'works' | 'fails' | 'again' | 'hang';

export interface NetworkUnderTest extends AsyncDisposable {
  readonly network: Network;
  /** Makes a network namespace for a sandbox. */
  makeNamespace(sandboxId: string): Promise<string>;
  removeNamespace(sandboxId: string): Promise<void>;
  setMood(verb: 'attach' | 'detach', mood: PluginMood): void;
  /** Takes the configuration away, or puts it back. */
  setConfigured(isConfigured: boolean): Promise<void>;
  /** A process of the host takes a TCP port; returns what it is called. */
  occupy(port: number): Promise<string>;
  /** The host ports that lead to sandboxes, in order: `8080/tcp`. */
  forwarded(): Promise<readonly string[]>;
  /** Resolves when plugins are at work. */
  untilCalled(): Promise<void>;
  /** Waits for what takes time, in whatever way time passes here. */
  complete<T>(promise: Promise<T>): Promise<T>;
  /** What is left on the host; nothing, when all is clean. */
  census(): Promise<readonly string[]>;
  /** Starts another daemon's network on the same host, as after `kill -9`. */
  restart(): Promise<void>;
}

const never = new AbortController().signal;

function port(hostPort: number, fields: Partial<PortMapping> = {}): PortMapping {
  return { protocol: 'tcp', hostPort, containerPort: 80, ...fields };
}

class Driven {
  readonly #tested: NetworkUnderTest;
  readonly #orders = new Map<string, NetworkOrder>();

  constructor(tested: NetworkUnderTest) {
    this.#tested = tested;
  }

  async order(ports: readonly PortMapping[] = []): Promise<NetworkOrder> {
    const sandboxId = newId();
    const netns = await this.#tested.makeNamespace(sandboxId);
    const rest = { pod: undefined, dns: undefined, annotations: {}, cgroupParent: undefined };
    const order = { sandboxId, netns, ports, ...rest };
    this.#orders.set(sandboxId, order);
    return order;
  }

  attach(order: NetworkOrder, signal: AbortSignal = never): Promise<NetworkAttachment> {
    return this.#tested.complete(this.#tested.network.attach(order, signal));
  }

  detach({ sandboxId, netns }: NetworkOrder): Promise<void> {
    return this.#tested.complete(this.#tested.network.detach(sandboxId, netns));
  }

  async assertClean(): Promise<void> {
    for (const order of this.#orders.values()) {
      await this.detach(order);
      await this.#tested.removeNamespace(order.sandboxId);
    }
    assert.deepEqual(await this.#tested.complete(this.#tested.network.find()), []);
    assert.deepEqual(await this.#tested.census(), []);
  }
}

/** The contract of the port Network: every driver passes it, and so does the fake that the engine is tested with. */
export function testNetwork(name: string, open: () => Promise<NetworkUnderTest>): void {
  const check = (what: string, work: (tested: NetworkUnderTest, driven: Driven) => Promise<void>): void => {
    test(`${name}: ${what}`, async () => {
      await using tested = await open();
      const driven = new Driven(tested);
      await work(tested, driven);
      await driven.assertClean();
    });
  };

  check('each sandbox gets an address of its own, is found, and is gone after its detach', async (tested, driven) => {
    assert.equal(tested.network.trouble, undefined);
    const [one, other] = [await driven.order(), await driven.order()];

    const [first, second] = [await driven.attach(one), await driven.attach(other)];

    assert.ok(first.addresses.length > 0 && second.addresses.length > 0);
    assert.notEqual(first.addresses[0], second.addresses[0]);
    const found = await tested.network.find();
    assert.deepEqual(new Set(found), new Set([one.sandboxId, other.sandboxId]));
    await driven.detach(one);
    assert.deepEqual(await tested.network.find(), [other.sandboxId]);
  });

  check('detaching what is not attached, or not any more, succeeds', async (tested, driven) => {
    await tested.complete(tested.network.detach(newId(), undefined));
    const order = await driven.order([port(8080)]);
    await driven.attach(order);
    await driven.detach(order);
    await driven.detach(order);
    await tested.complete(tested.network.detach(order.sandboxId, undefined));
  });

  check('what is held for a sandbox is released although its namespace is gone', async (tested, driven) => {
    const order = await driven.order([port(8080)]);
    await driven.attach(order);
    await tested.removeNamespace(order.sandboxId);

    await tested.complete(tested.network.detach(order.sandboxId, undefined));

    assert.deepEqual(await tested.network.find(), []);
    assert.deepEqual(await tested.forwarded(), []);
  });

  check(
    'a sandbox cannot be attached twice, and the first attachment is not harmed by the try',
    async (tested, driven) => {
      const order = await driven.order([port(8080)]);
      await driven.attach(order);
      await assert.rejects(driven.attach(order), { code: 'WrongState', message: /is attached already/ });
      assert.deepEqual(await tested.forwarded(), ['8080/tcp']);
    },
  );

  check(
    'a host port of another sandbox is refused with its name, and is free when that is detached',
    async (tested, driven) => {
      const holder = await driven.order([port(8080)]);
      await driven.attach(holder);
      const late = await driven.order([port(8081), port(8080)]);

      await assert.rejects(driven.attach(late), {
        code: 'AlreadyExists',
        message: `Cannot use host port 8080/tcp: sandbox "${shortId(holder.sandboxId)}" has it`,
      });

      assert.deepEqual(await tested.network.find(), [holder.sandboxId]);
      assert.deepEqual(await tested.forwarded(), ['8080/tcp']);
      await driven.detach(holder);
      await driven.attach(late);
      assert.deepEqual(await tested.forwarded(), ['8080/tcp', '8081/tcp']);
    },
  );

  check('of sandboxes that want the same host port at once, one gets it', async (tested, driven) => {
    const orders = [
      await driven.order([port(8080)]),
      await driven.order([port(8080)]),
      await driven.order([port(8080)]),
    ];

    const all = await tested.complete(Promise.allSettled(orders.map((order) => tested.network.attach(order, never))));

    const refused = all.filter((each) => each.status === 'rejected');
    assert.equal(refused.length, 2);
    for (const { reason } of refused) assert.equal((reason as { code?: unknown }).code, 'AlreadyExists');
    assert.deepEqual(await tested.forwarded(), ['8080/tcp']);
  });

  check('a port is one of an address and a protocol', async (_, driven) => {
    await driven.attach(await driven.order([port(8080), port(8080, { protocol: 'udp' })]));
    await assert.rejects(driven.attach(await driven.order([port(8080, { hostIp: '127.0.0.1' })])), {
      code: 'AlreadyExists',
      message: /^Cannot use host port 127\.0\.0\.1:8080\/tcp: sandbox/,
    });
    await driven.attach(await driven.order([port(8080, { protocol: 'sctp' })]));
    await driven.attach(await driven.order([port(8081, { hostIp: '127.0.0.1' })]));
    await driven.attach(await driven.order([port(8081, { hostIp: '127.0.0.2' })]));
    await assert.rejects(driven.attach(await driven.order([port(8081)])), { code: 'AlreadyExists' });
    await driven.attach(await driven.order([port(8082, { hostIp: '0.0.0.0' })]));
    await driven.attach(await driven.order([port(8082, { hostIp: '::' })]));
  });

  check('a host port of a process of the host is refused with its name', async (tested, driven) => {
    const process = await tested.occupy(8090);
    const order = await driven.order([port(8091), port(8090)]);

    await assert.rejects(driven.attach(order), {
      code: 'AlreadyExists',
      message: `Cannot use host port 8090/tcp: process ${process} has it`,
    });

    assert.deepEqual(await tested.network.find(), []);
    await driven.attach(await driven.order([port(8091)]));
  });

  check('ports that cannot be are refused before anything is done', async (tested, driven) => {
    for (const ports of [
      [port(70_000)],
      [port(80, { containerPort: 0 })],
      [port(80, { hostIp: 'web' })],
      [port(80), port(80, { containerPort: 81 })],
    ]) {
      await assert.rejects(driven.attach(await driven.order(ports)), { code: 'InvalidArgument' });
    }
    assert.deepEqual(await tested.network.find(), []);
  });

  check('without a network nothing is attached, held or found; when it comes, it is used', async (tested, driven) => {
    await tested.setConfigured(false);
    assert.match(tested.network.trouble ?? '', /^no network config found in /);
    const order = await driven.order([port(8080)]);
    await assert.rejects(driven.attach(order), { code: 'Unavailable', message: /no network config found/ });
    assert.deepEqual(await tested.network.find(), []);

    await tested.setConfigured(true);

    assert.equal(tested.network.trouble, undefined);
    await driven.attach(order);
  });

  check('a sandbox that could not be attached is found until it is detached', async (tested, driven) => {
    tested.setMood('attach', 'fails');
    const order = await driven.order([port(8080)]);

    await assert.rejects(driven.attach(order), { code: 'Internal', message: /the plugin fails on purpose/ });

    assert.deepEqual(await tested.network.find(), [order.sandboxId]);
    assert.deepEqual(await tested.forwarded(), []);
    await driven.detach(order);
    assert.deepEqual(await tested.network.find(), []);
    tested.setMood('attach', 'works');
    await driven.attach(order);
  });

  check('a plugin that is to be asked again later makes the network unavailable', async (tested, driven) => {
    tested.setMood('attach', 'again');
    await assert.rejects(driven.attach(await driven.order()), { code: 'Unavailable', message: /later/ });
    tested.setMood('attach', 'works');
  });

  check(
    'an attach that is aborted ends at once, and leaves nothing that a detach does not find',
    async (tested, driven) => {
      tested.setMood('attach', 'hang');
      const order = await driven.order([port(8080)]);
      const abort = new AbortController();
      const attaching = tested.network.attach(order, abort.signal);
      attaching.catch(() => undefined);
      await tested.untilCalled();
      abort.abort();

      await assert.rejects(tested.complete(attaching), { code: 'Cancelled' });

      tested.setMood('attach', 'works');
      assert.deepEqual(await tested.network.find(), [order.sandboxId]);
      await driven.detach(order);
      await driven.attach(order);
    },
  );

  check('a detach waits for the attach of the same sandbox', async (tested, driven) => {
    const order = await driven.order([port(8080)]);
    const attaching = tested.network.attach(order, never);
    const detaching = tested.network.detach(order.sandboxId, order.netns);

    await tested.complete(Promise.all([attaching, detaching]));

    assert.deepEqual(await tested.network.find(), []);
    assert.deepEqual(await tested.forwarded(), []);
  });

  for (const mood of ['fails', 'hang'] as const) {
    check(
      `a detach fails when a plugin ${mood === 'hang' ? 'hangs' : mood}, and gives the host ports back all the same`,
      async (tested, driven) => {
        const order = await driven.order([port(8080)]);
        await driven.attach(order);
        tested.setMood('detach', mood);

        await assert.rejects(driven.detach(order), { code: mood === 'hang' ? 'DeadlineExceeded' : 'Internal' });

        assert.deepEqual(await tested.forwarded(), []);
        assert.deepEqual(await tested.network.find(), [order.sandboxId]);
        await driven.attach(await driven.order([port(8080)]));
        tested.setMood('detach', 'works');
        await driven.detach(order);
      },
    );
  }

  check('a new daemon finds what the old one attached, and takes over its host ports', async (tested, driven) => {
    const ports = [port(8080), port(8080, { protocol: 'udp', hostIp: '127.0.0.1' })];
    const order = await driven.order(ports);
    const { addresses } = await driven.attach(order);

    await tested.restart();

    assert.deepEqual(await tested.complete(tested.network.find()), [order.sandboxId]);
    await tested.complete(tested.network.restore([{ sandboxId: order.sandboxId, ports, addresses }]));
    assert.deepEqual(await tested.forwarded(), ['127.0.0.1:8080/udp', '8080/tcp']);
    await assert.rejects(driven.attach(await driven.order([port(8080)])), { code: 'AlreadyExists' });
  });

  check('host ports of sandboxes that are gone lead nowhere after a restart', async (tested, driven) => {
    const [gone, kept] = [await driven.order([port(8080)]), await driven.order([port(8081)])];
    await driven.attach(gone);
    const { addresses } = await driven.attach(kept);

    await tested.restart();
    await tested.complete(tested.network.restore([{ sandboxId: kept.sandboxId, ports: kept.ports, addresses }]));

    assert.deepEqual(await tested.forwarded(), ['8081/tcp']);
    await driven.attach(await driven.order([port(8080)]));
    assert.deepEqual(await tested.forwarded(), ['8080/tcp', '8081/tcp']);
  });
}
