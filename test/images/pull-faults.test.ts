import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { hostPlatform } from '../../src/images/platform.ts';
import { FakeRegistry, INDEX_TYPE, fail, sendBlob } from '../support/fake-registry.ts';
import type { Asked } from '../support/fake-registry.ts';
import { json, pushedImage, sha256 } from '../support/images.ts';
import type { PushedImage, TestImage } from '../support/images.ts';
import { NOTHING, openStore } from './store.ts';
import type { StoreOptions, TestStore } from './store.ts';

const NOISE = randomBytes(400_000);
const APP: TestImage = { layers: [[{ name: 'noise', content: NOISE }], { small: 'x' }], config: { Cmd: ['app'] } };
const PUSHED = pushedImage(APP);
const [BIG = '', SMALL = ''] = PUSHED.layers;
const BIG_BLOB = PUSHED.blobs.get(BIG) ?? Buffer.alloc(0);

interface Expected {
  readonly code: string;
  readonly message: RegExp;
}

interface Fault {
  readonly behave?: (asked: Asked, response: ServerResponse, registry: FakeRegistry) => boolean;
  /** Instead of the usual image. */
  readonly push?: (registry: FakeRegistry) => void;
  readonly store?: StoreOptions;
  readonly expected: Expected;
}

/** Nothing may be left that the pull has taken hold of either: then it could not be collected later. */
async function assertNothingIsLeft(store: TestStore, registry: FakeRegistry): Promise<void> {
  assert.deepEqual(store.census(), NOTHING);
  assert.deepEqual(store.images.list(), []);
  registry.behave = () => false;
  registry.push('healed', '1', APP);
  const { id } = await store.pull(`${registry.host}/healed:1`);
  await store.images.removeAll(id);
  assert.deepEqual(store.census(), NOTHING);
}

function fault(name: string, { behave, push, store: options, expected }: Fault): void {
  test(name, async () => {
    await using registry = await FakeRegistry.open();
    await using store = await openStore(options);
    if (push === undefined) registry.push('app', '1', APP);
    else push(registry);
    registry.behave = (asked, response) => behave?.(asked, response, registry) ?? false;

    await assert.rejects(store.pull(`${registry.host}/app:1`), expected);

    await assertNothingIsLeft(store, registry);
  });
}

function isBig({ kind, name }: Asked): boolean {
  return kind === 'blobs' && name === BIG;
}

/** Sends the head of an answer and the blob's beginning. */
function sendHalf(response: ServerResponse, { bytes = 100_000, from = 0 } = {}): void {
  response.writeHead(200, { 'content-length': BIG_BLOB.length - from });
  response.write(BIG_BLOB.subarray(from, from + bytes));
}

function tampered(change: (manifest: Record<string, never>) => object): PushedImage {
  const manifest = json(change(JSON.parse(PUSHED.manifest.toString()) as Record<string, never>));
  return { ...PUSHED, manifest };
}

const QUICK: StoreOptions = { registries: { stallMs: 300 } };

fault('a blob with another content is refused', {
  behave: (asked, response) => isBig(asked) && sendBlob(asked, response, randomBytes(BIG_BLOB.length)),
  expected: { code: 'InvalidArgument', message: /^Cannot get blob sha256:\w+: what 127\S+ sends has digest sha256:/ },
});

fault('a blob that is longer than the manifest says is refused without reading it to its end', {
  behave: (asked, response) =>
    isBig(asked) && sendBlob(asked, response, Buffer.concat([BIG_BLOB, Buffer.alloc(50 << 20)])),
  expected: { code: 'InvalidArgument', message: /has more than the \d+ bytes it should have$/ },
});

fault('a blob that is shorter than the manifest says is refused', {
  push: (registry) => {
    const layers = PUSHED.layers.map((digest) => ({ digest, size: 999_999 }));
    registry.push(
      'app',
      '1',
      tampered((manifest) => ({ ...manifest, layers })),
    );
  },
  expected: { code: 'Unavailable', message: /^Cannot get blob sha256:\w+: after \d+ of 999999 bytes 127\S+ / },
});

fault('a registry that always cuts the connection is given up', {
  behave: (asked, response) => {
    if (isBig(asked)) {
      sendHalf(response);
      setTimeout(() => response.destroy(), 20);
    }
    return isBig(asked);
  },
  expected: { code: 'Unavailable', message: /after 100000 of \d+ bytes 127\S+ cuts the connection$/ },
});

fault('a registry that sends a few bytes at a time is given up', {
  behave: (asked, response) => {
    if (!isBig(asked)) return false;
    const from = Number(/\d+/.exec(asked.headers.range ?? '')?.[0] ?? 0);
    response.writeHead(from === 0 ? 200 : 206, { 'content-range': `bytes ${from}-/*` });
    response.end(BIG_BLOB.subarray(from, from + 10));
    return true;
  },
  expected: { code: 'Unavailable', message: /after 40 of \d+ bytes 127\S+ ends its answer$/ },
});

fault('a registry that always ends a blob too early is given up', {
  behave: (asked, response) => isBig(asked) && (response.writeHead(200).end(BIG_BLOB.subarray(0, 1_000)), true),
  expected: { code: 'Unavailable', message: /after 1000 of \d+ bytes 127\S+ ends its answer$/ },
});

fault('a registry that does not answer stands still', {
  behave: () => true,
  store: QUICK,
  expected: { code: 'DeadlineExceeded', message: /stands still: it has sent nothing for 300ms$/ },
});

fault('a registry that stops in the middle of a blob stands still', {
  behave: (asked, response) => {
    if (isBig(asked)) sendHalf(response, { bytes: asked.headers.range === undefined ? 100_000 : 0 });
    return isBig(asked);
  },
  store: QUICK,
  expected: { code: 'DeadlineExceeded', message: /stands still: it has sent nothing for 300ms$/ },
});

fault('a registry that stops in the middle of a manifest stands still', {
  behave: ({ method, kind }, response) => {
    if (method !== 'GET' || kind !== 'manifests') return false;
    response.writeHead(200, { 'content-length': 500 }).write('{');
    return true;
  },
  store: QUICK,
  expected: { code: 'DeadlineExceeded', message: /stands still/ },
});

fault('a registry that wants credentials from somebody who has none is told of', {
  behave: (_, response) => fail(response, 401, 'UNAUTHORIZED', '', { 'www-authenticate': 'Basic realm="x"' }),
  expected: { code: 'PermissionDenied', message: /wants credentials, or does not have it$/ },
});

fault('a token server that gives no token is told of', {
  behave: ({ url }, response, registry) => {
    if (url.startsWith('/token')) return fail(response, 200);
    const realm = `Bearer realm="http://${registry.host}/token",service="s"`;
    return fail(response, 401, 'UNAUTHORIZED', '', { 'www-authenticate': realm });
  },
  expected: { code: 'Unavailable', message: /needs a token from 127\S+, which gives none$/ },
});

fault('a token server that is down is told of', {
  behave: (_, response) =>
    fail(response, 401, 'UNAUTHORIZED', '', { 'www-authenticate': 'Bearer realm="http://127.0.0.1:1/token"' }),
  expected: { code: 'Unavailable', message: /needs a token from 127.0.0.1:1, which cannot be reached: ECONNREFUSED$/ },
});

fault('a challenge without a token server is told of', {
  behave: (_, response) => fail(response, 401, 'UNAUTHORIZED', '', { 'www-authenticate': 'Bearer realm="nowhere"' }),
  expected: { code: 'Unavailable', message: /wants a token, and does not say from where$/ },
});

fault('a registry that forbids is told of, with its own words on one line', {
  behave: ({ kind }, response) => kind === 'blobs' && fail(response, 403, 'DENIED', 'pay\r\nfirst\x1b'),
  expected: { code: 'PermissionDenied', message: /^Cannot get blob \S+ 127\S+ refuses access \(DENIED: pay first \)$/ },
});

fault('a blob that is not there is told of', {
  behave: ({ name }, response) => name === SMALL && fail(response, 404, 'BLOB_UNKNOWN', 'gone'),
  expected: { code: 'NotFound', message: /^Cannot get blob \S+ 127\S+ does not have it \(BLOB_UNKNOWN: gone\)$/ },
});

for (const [status, code, message] of [
  [429, 'ResourceExhausted', /says that there were too many requests \(SOMETHING: .*\), 4 times$/],
  [500, 'Unavailable', /answers 500 Internal Server Error .*, 4 times$/],
  [503, 'Unavailable', /answers 503 Service Unavailable .*, 4 times$/],
  [418, 'Unavailable', /answers 418 I'm a Teapot/],
] as const) {
  fault(`a registry that answers nothing but ${status} is given up`, {
    behave: ({ kind }, response) => kind === 'blobs' && fail(response, status),
    expected: { code, message },
  });
}

fault('a registry that wants to be left alone for an hour is not waited for', {
  behave: (_, response) => fail(response, 429, 'TOOMANYREQUESTS', '', { 'retry-after': '3600' }),
  expected: { code: 'ResourceExhausted', message: /too many requests, and is not to be asked before 1h0m$/ },
});

fault('redirects that go round in a circle are given up', {
  behave: ({ url }, response) => (response.writeHead(307, { location: url }).end(), true),
  expected: { code: 'Unavailable', message: /redirects more than 10 times$/ },
});

fault('a redirect to nowhere is told of', {
  behave: ({ kind }, response) =>
    kind === 'blobs' && (response.writeHead(302, { location: 'file:///etc' }).end(), true),
  expected: { code: 'Unavailable', message: /redirects to nowhere$/ },
});

fault('what is in schema 1 is refused as such', {
  push: (registry) => {
    const type = 'application/vnd.docker.distribution.manifest.v1+prettyjws';
    registry.putManifest('app', '1', json({ schemaVersion: 1, fsLayers: [] }), type);
  },
  expected: { code: 'Unsupported', message: /^Cannot pull "127\S+\/app:1": it is in Docker's schema 1/ },
});

fault('a manifest that never ends is refused', {
  behave: ({ kind, method }, response) =>
    kind === 'manifests' && method === 'GET' && (response.end(Buffer.alloc(30 << 20, ' ')), true),
  expected: { code: 'ResourceExhausted', message: /sends a document of more than 4\.0 MiB, which is the limit$/ },
});

fault('a manifest with another digest than the tag was said to have is refused', {
  behave: ({ kind, method }, response) =>
    kind === 'manifests' &&
    method === 'GET' &&
    (response.end(Buffer.concat([PUSHED.manifest, Buffer.from(' ')])), true),
  expected: { code: 'InvalidArgument', message: /sends a manifest with digest sha256:\w+ where it should be sha256:/ },
});

fault('a manifest that is no JSON is refused', {
  push: (registry) => void registry.putManifest('app', '1', Buffer.from('<html>'), PUSHED.mediaType),
  expected: { code: 'InvalidArgument', message: /it is no JSON$/ },
});

fault('an artifact that is no image is refused', {
  push: (registry) => {
    const config = { mediaType: 'application/vnd.cncf.helm.config.v1+json', digest: sha256(NOISE), size: 1 };
    registry.push(
      'app',
      '1',
      tampered((manifest) => ({ ...manifest, config })),
    );
  },
  expected: { code: 'Unsupported', message: /it is no image, its config is "application\/vnd.cncf.helm/ },
});

for (const kind of [
  'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  'application/vnd.oci.image.layer.v1.tar+gzip+encrypted',
]) {
  fault(`a layer of kind ${kind} is refused before anything is downloaded`, {
    push: (registry) => {
      const layers = [{ mediaType: kind, digest: BIG, size: BIG_BLOB.length }];
      registry.push(
        'app',
        '1',
        tampered((manifest) => ({ ...manifest, layers })),
      );
    },
    behave: (asked) => {
      assert.notEqual(asked.kind, 'blobs');
      return false;
    },
    expected: {
      code: 'Unsupported',
      message: /^Cannot get layer sha256:\w+: its kind is ".*", which is not open to us$/,
    },
  });
}

fault('an index without an image for this host says what it has', {
  push: (registry) => {
    const image: TestImage = { layers: [{ a: 'x' }], architecture: 's390x' };
    const platforms = [
      { os: 'linux', architecture: 's390x' },
      { os: 'linux', architecture: 'arm', variant: 'v7' },
    ];
    registry.pushIndex(
      'app',
      '1',
      platforms.map((platform) => ({ image, platform })),
    );
  },
  expected: { code: 'Unsupported', message: /it has no image for \S+, only for linux\/s390x, linux\/arm\/v7$/ },
});

fault('an index of indexes of indexes of indexes of indexes is refused', {
  push: (registry) => {
    let digest = registry.push('app', 'x', APP);
    let size = PUSHED.manifest.length;
    for (let depth = 0; depth < 6; depth += 1) {
      const mediaType = depth === 0 ? PUSHED.mediaType : INDEX_TYPE;
      const content = json({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [{ mediaType, digest, size }] });
      digest = registry.putManifest('app', '1', content, INDEX_TYPE);
      size = content.length;
    }
  },
  expected: { code: 'InvalidArgument', message: /it is an index of indexes/ },
});

fault('an image for another kind of host is refused before its layers are downloaded', {
  push: (registry) => void registry.push('app', '1', { ...APP, architecture: 's390x' }),
  behave: ({ name }) => {
    assert.notEqual(name, BIG);
    return false;
  },
  expected: {
    code: 'Unsupported',
    message: new RegExp(`it is for linux/s390x, this host is linux/${hostPlatform.architecture}$`),
  },
});

fault('a layer that is not what the config says is refused', {
  push: (registry) =>
    void registry.push('app', '1', { ...APP, diffIds: [sha256(Buffer.from('other')), sha256(Buffer.from('thing'))] }),
  expected: { code: 'InvalidArgument', message: /^Cannot unpack layer sha256:\w+: its content has digest sha256:\w+$/ },
});

fault('a config that tells of more layers than there are is refused', {
  push: (registry) => void registry.push('app', '1', { ...APP, diffIds: [sha256(BIG_BLOB)] }),
  expected: { code: 'InvalidArgument', message: /it has 2 layers, its config tells of 1$/ },
});

fault('a config of a size that no config has is refused before it is downloaded', {
  push: (registry) => {
    const size = 5 << 20;
    registry.push(
      'app',
      '1',
      tampered((manifest) => ({ ...manifest, config: { ...Object(manifest['config']), size } })),
    );
  },
  expected: { code: 'ResourceExhausted', message: /^Cannot get config sha256:\w+: it has 5242880 bytes$/ },
});

fault('a layer that unpacks to more than the limit is refused', {
  push: (registry) =>
    void registry.push('app', '1', {
      layers: [[{ name: 'zeros', content: Buffer.alloc(40 << 20) }]],
      compression: 'gzip',
    }),
  store: { limits: { largestUnpackedBytes: 8 << 20 } },
  expected: { code: 'ResourceExhausted', message: /more than 8\.0 MiB when it is unpacked, which is the limit$/ },
});

fault('layers that unpack to more than the limit together are refused', {
  push: (registry) => {
    const layers = Array.from({ length: 5 }, (_, index) => [{ name: `zeros${index}`, content: Buffer.alloc(2 << 20) }]);
    registry.push('app', '1', { layers, compression: 'gzip' });
  },
  store: { limits: { largestUnpackedBytes: 8 << 20 } },
  expected: { code: 'ResourceExhausted', message: /more than 8\.0 MiB when it is unpacked/ },
});

fault('layers that are said to be larger than the limit are not even asked for', {
  push: (registry) => {
    const layers = [{ digest: BIG, size: 2 ** 40 }];
    registry.push(
      'app',
      '1',
      tampered((manifest) => ({ ...manifest, layers })),
    );
  },
  expected: { code: 'ResourceExhausted', message: /its layers have 1\.0 TiB, the limit is 1\.0 GiB$/ },
});

fault('a layer that is damaged is refused', {
  push: (registry) => {
    const packed = gzipSync(NOISE).subarray(0, 200_000);
    const layers = [
      { digest: sha256(packed), size: packed.length },
      { digest: SMALL, size: PUSHED.blobs.get(SMALL)?.length },
    ];
    const image = tampered((manifest) => ({ ...manifest, layers }));
    registry.push('app', '1', { ...image, blobs: new Map([...image.blobs, [sha256(packed), packed]]) });
  },
  expected: { code: 'InvalidArgument', message: /its gzip stream is cut off$/ },
});

test('a blob whose connection is cut is taken up where it broke off', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  registry.push('app', '1', APP);
  const ranges: (string | undefined)[] = [];
  registry.behave = (asked, response) => {
    if (!isBig(asked)) return false;
    ranges.push(asked.headers.range);
    const from = Number(/\d+/.exec(asked.headers.range ?? '')?.[0] ?? 0);
    if (ranges.length > 3) return sendBlob(asked, response, BIG_BLOB);
    const status = from === 0 ? 200 : 206;
    response.writeHead(status, { 'content-range': `bytes ${from}-${BIG_BLOB.length - 1}/${BIG_BLOB.length}` });
    response.write(BIG_BLOB.subarray(from, from + 100_000), () => setTimeout(() => response.destroy(), 20));
    return true;
  };

  const { id } = await store.pull(`${registry.host}/app:1`);

  assert.deepEqual(ranges, [undefined, 'bytes=100000-', 'bytes=200000-', 'bytes=300000-']);
  await store.images.removeAll(id);
  assert.deepEqual(store.census(), NOTHING);
});

test('a blob is downloaded anew from a registry that knows no ranges', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  registry.push('app', '1', APP);
  let cuts = 0;
  registry.behave = (asked, response) => {
    if (!isBig(asked)) return false;
    response.writeHead(200);
    cuts += 1;
    if (cuts > 2) response.end(BIG_BLOB);
    else response.write(BIG_BLOB.subarray(0, 100_000 * cuts), () => setTimeout(() => response.destroy(), 20));
    return true;
  };

  const { id } = await store.pull(`${registry.host}/app:1`);

  assert.equal(cuts, 3);
  assert.equal(id, store.images.find(id).id);
});

test('a range that is another one than was asked for is not taken', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  registry.push('app', '1', APP);
  registry.behave = (asked, response) => {
    if (!isBig(asked)) return false;
    if (asked.headers.range === undefined) {
      response.writeHead(200, { 'content-length': BIG_BLOB.length });
      response.write(BIG_BLOB.subarray(0, 1_000), () => setTimeout(() => response.destroy(), 20));
    } else {
      response.writeHead(206, { 'content-range': `bytes 7-${BIG_BLOB.length - 1}/${BIG_BLOB.length}` });
      response.end(BIG_BLOB.subarray(7));
    }
    return true;
  };

  await assert.rejects(store.pull(`${registry.host}/app:1`), {
    code: 'Unavailable',
    message: /sends another part of a blob than it was asked for$/,
  });

  await assertNothingIsLeft(store, registry);
});

for (const [what, headers, leastMs] of [
  ['says when', { 'retry-after': '1' }, 1_000],
  ['gives a date', { 'retry-after': 'soon' }, 1_000],
  ['says nothing more', {}, 0],
] as const) {
  test(`a registry with too many requests that ${what} is asked again`, async () => {
    await using registry = await FakeRegistry.open();
    await using store = await openStore();
    registry.push('app', '1', APP);
    let refusals = 0;
    const began = Date.now();
    registry.behave = ({ kind }, response) => {
      refusals += 1;
      const date = new Date(Date.now() + 2_000).toUTCString();
      const more = 'retry-after' in headers && headers['retry-after'] === 'soon' ? { 'retry-after': date } : headers;
      return refusals <= 1 && kind === 'manifests' && fail(response, 429, 'TOOMANYREQUESTS', 'slower', { ...more });
    };

    await store.pull(`${registry.host}/app:1`);

    assert.ok(Date.now() - began >= leastMs);
  });
}

test('a server that is broken for a moment is asked again', async () => {
  await using registry = await FakeRegistry.open();
  await using store = await openStore();
  registry.push('app', '1', APP);
  const failed = new Map<string, number>();
  registry.behave = ({ method, url }, response) => {
    const times = (failed.get(method + url) ?? 0) + 1;
    failed.set(method + url, times);
    if (times > 2) return false;
    if (times === 1) return fail(response, 502);
    response.destroy();
    return true;
  };

  await store.pull(`${registry.host}/app:1`);

  assert.deepEqual(new Set(failed.values()), new Set([3]));
});

test('nobody at the other end, and somebody who speaks something else, are told of', async () => {
  await using store = await openStore();
  const server = createServer((socket) => socket.resume().end('220 mail.example.org ESMTP\r\n'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  await assert.rejects(store.pull(`127.0.0.1:${port}/app:1`), {
    code: 'Unavailable',
    message: /answers with something that is no HTTP$/,
  });
  server.close();
  await once(server, 'close');
  await assert.rejects(store.pull(`127.0.0.1:${port}/app:1`), {
    code: 'Unavailable',
    message: `Cannot pull "127.0.0.1:${port}/app:1": 127.0.0.1:${port} cannot be reached: ECONNREFUSED`,
  });
  assert.deepEqual(store.census(), NOTHING);
});
