import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { BerthError } from '../../src/base/errors.ts';
import { drawLayers } from '../../src/cli/pull/draw.ts';
import type { LayerProgress } from '../../src/cli/pull/layers.ts';
import type { Image, PullRequest, RegistryAuth } from '../../src/engine/ports.ts';
import { testImage } from '../fakes/fake-images.ts';
import { World } from '../fakes/world.ts';
import { Berth, berth } from './support/berth.ts';
import { engineOf } from './support/engine-of.ts';
import { RunningTime } from './support/running-time.ts';
import { Served } from './support/serve.ts';

const DIGEST = testImage.digests[0] ?? '';
const LAYER = `sha256:${'ab'.repeat(32)}`;
/** No configuration of Docker's on this machine has a say. */
const NO_CONFIG = { DOCKER_CONFIG: '/nonexistent' };

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'berth-pull-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** An engine that has every image in its registry, and remembers what was asked for. */
function pulling(asked: { readonly name: string; readonly auth: RegistryAuth | undefined }[]) {
  return async ({ name, auth, onProgress }: PullRequest): Promise<Image> => {
    asked.push({ name, auth });
    onProgress({ step: 'resolving', bytes: 0 });
    for (const [step, bytes] of [
      ['downloading', 0],
      ['downloading', 500],
      ['unpacking', 700],
      ['done', 1_000],
    ] as const) {
      onProgress({ step, layer: LAYER, bytes, totalBytes: 1_000 });
      await sleepFor(60); // a reader hears of it no more often than every 50 ms
    }
    return testImage;
  };
}

test('a pull prints name and digest, and its steps beside that', async () => {
  const asked: Parameters<typeof pulling>[0] = [];
  await using served = await Served.open({ pullImage: pulling(asked) });

  const loud = await berth(['pull', 'test:1'], { socket: served.socket, env: NO_CONFIG });
  const quiet = await berth(['pull', '-q', 'test:1'], { socket: served.socket, env: NO_CONFIG });
  const json = await berth(['pull', '-q', '--json', 'test:1'], { socket: served.socket, env: NO_CONFIG });

  assert.equal(loud.code, 0);
  assert.equal(loud.stdout.toString(), `docker.io/library/test:latest\n${DIGEST}\n`);
  assert.equal(loud.stderr, 'abababababab: downloading\nabababababab: unpacking\nabababababab: done\n');
  assert.deepEqual([quiet.stdout.toString(), quiet.stderr], [loud.stdout.toString(), '']);
  assert.deepEqual((JSON.parse(json.stdout.toString()) as Image).digests, testImage.digests);
  assert.deepEqual(asked[0], { name: 'test:1', auth: undefined });
});

test('a pull that fails says why in one line', async () => {
  await using served = await Served.open({
    pullImage: ({ onProgress }) => {
      onProgress({ step: 'resolving', bytes: 0 });
      return Promise.reject(new BerthError('NotFound', 'Cannot pull "test:2": registry does not have it'));
    },
  });

  const { code, stdout, stderr } = await berth(['pull', 'test:2'], { socket: served.socket, env: NO_CONFIG });

  assert.deepEqual([code, stdout.toString()], [1, '']);
  assert.equal(stderr, 'berth: Cannot pull "test:2": registry does not have it\n');
});

test('Ctrl-C ends the pull in the daemon', async () => {
  const ended = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  await using served = await Served.open({
    pullImage: ({ signal }) => {
      begun.resolve();
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          ended.resolve();
          reject(new BerthError('Cancelled', 'given up'));
        });
      });
    },
  });
  const running = new Berth(['pull', 'test'], { socket: served.socket, env: NO_CONFIG });
  await begun.promise;

  running.child.kill('SIGINT');
  await running.ended;

  await ended.promise;
});

test('on a terminal there is a bar for each layer, drawn in its place', async () => {
  const asked: Parameters<typeof pulling>[0] = [];
  await using served = await Served.open({ pullImage: pulling(asked) });
  const command = `stty cols 100 rows 20; ${new URL('../../berth', import.meta.url).pathname} pull test`;
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...NO_CONFIG, BERTH_SOCKET: served.socket },
  });
  let output = '';
  for await (const chunk of child.stdout) output += String(chunk).replaceAll('\x1b', 'ESC');
  if (child.exitCode === null) await once(child, 'exit');

  assert.equal(child.exitCode, 0);
  assert.match(output, /abababababab {2}downloading {2}\[=+> +\] {2}500 B \/ 1000 B/);
  assert.match(output, /ESC\[1A\rESC\[Kabababababab {2}unpacking {4}\[=+> +\]/);
  assert.match(output, /abababababab {2}done {9}1000 B\r\nESC\[J/);
});

const layers = (...steps: LayerProgress['step'][]): LayerProgress[] =>
  steps.map((step, index) => ({ id: `layer${index}`, step, bytes: 512, totalBytes: 1_024 }));

test('lines fit into the terminal, whatever its size', () => {
  const all = layers('done', 'downloading', 'unpacking', 'downloading', 'resolving');
  for (const columns of [10, 20, 40, 60, 80, 200]) {
    for (const rows of [1, 3, 5, 50]) {
      const lines = drawLayers(all, { columns, rows });
      assert.ok(lines.length <= Math.max(rows - 1, 1), `${lines.length} lines in ${rows} rows`);
      for (const line of lines) assert.ok(line.length < Math.max(columns, 23), `"${line}" in ${columns} columns`);
    }
  }
});

test('where not all layers fit, those at work are shown and the others counted', () => {
  const lines = drawLayers(layers('done', 'downloading', 'done', 'unpacking', 'done'), { columns: 80, rows: 5 });

  assert.equal(lines.length, 3);
  assert.match(lines[0] ?? '', /^layer1 {2}downloading {2}\[=+> +\] {2}512 B \/ 1\.0 KiB$/);
  assert.match(lines[1] ?? '', /^layer3 {2}unpacking/);
  assert.equal(lines[2], '3 of 5 layers done');
});

test('a layer for which nothing has come waits, and a layer without bytes is full', () => {
  const none = { id: 'a', step: 'downloading', bytes: 0, totalBytes: 5 } as const;
  const empty = { id: 'b', step: 'unpacking', bytes: 1, totalBytes: 0 } as const;

  const lines = drawLayers([none, empty], { columns: 80, rows: 24 });

  assert.equal(lines[0], 'a  waiting');
  assert.match(lines[1] ?? '', /\[=+\]/);
});

/** What the daemon is given when Docker's configuration is this. */
async function authWith(t: TestContext, config: object | string, name: string, helpers: Record<string, string> = {}) {
  const folder = folderFor(t);
  writeFileSync(join(folder, 'config.json'), typeof config === 'string' ? config : JSON.stringify(config));
  for (const [helper, script] of Object.entries(helpers)) {
    writeFileSync(join(folder, `docker-credential-${helper}`), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, `docker-credential-${helper}`), 0o755);
  }
  const asked: Parameters<typeof pulling>[0] = [];
  await using served = await Served.open({ pullImage: pulling(asked) });
  const env = { DOCKER_CONFIG: folder, PATH: `${folder}:${process.env['PATH']}` };
  const { code, stderr } = await berth(['pull', '--quiet', name], { socket: served.socket, env });
  assert.equal(code, 0, stderr);
  return { auth: asked[0]?.auth, stderr };
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const ANN: RegistryAuth = { kind: 'basic', username: 'ann', password: 'pass:word' };

for (const [what, config, name, auth] of [
  ['a registry', { auths: { 'example.org:5000': { auth: base64('ann:pass:word') } } }, 'example.org:5000/app:1', ANN],
  ['Docker Hub', { auths: { 'https://index.docker.io/v1/': { auth: base64('ann:pass:word') } } }, 'user/app', ANN],
  [
    'a registry by its URL',
    { auths: { 'https://example.org/v1/': { auth: base64('ann:pass:word') } } },
    'example.org/a',
    ANN,
  ],
  [
    'a registry in plain words',
    { auths: { 'example.org': { username: 'ann', password: 'pass:word' } } },
    'example.org/a',
    ANN,
  ],
  [
    'a registry as an identity token',
    { auths: { 'example.org': { auth: base64('00000000-0000:'), identitytoken: 'refresh' } } },
    'example.org/a',
    { kind: 'identity-token', token: 'refresh' },
  ],
  [
    'a registry as its own token',
    { auths: { 'example.org': { registrytoken: 'bearer' } } },
    'example.org/a',
    { kind: 'registry-token', token: 'bearer' },
  ],
  [
    'another registry only',
    { auths: { 'example.com': { auth: base64('ann:pass:word') } } },
    'example.org/a',
    undefined,
  ],
  ['nobody', {}, 'example.org/a', undefined],
] as const) {
  test(`credentials that Docker keeps for ${what} go with the pull`, async (t) => {
    const found = await authWith(t, config, name);

    assert.deepEqual(found.auth, auth);
    assert.equal(found.stderr, '');
  });
}

test('a credential helper is asked for its registry, and the store for the others', async (t) => {
  const config = { credHelpers: { 'example.org': 'own' }, credsStore: 'all' };
  const answer = (who: string): string =>
    `read -r server; printf '{"ServerURL":"%s","Username":"${who}","Secret":"%s"}' "$server" "$1"`;
  const helpers = { own: answer('owner'), all: answer('everybody') };

  const own = await authWith(t, config, 'example.org/a', helpers);
  const hub = await authWith(t, config, 'busybox', helpers);
  const token = await authWith(t, config, 'example.org/a', { own: `echo '{"Username":"<token>","Secret":"refresh"}'` });

  assert.deepEqual(own.auth, { kind: 'basic', username: 'owner', password: 'get' });
  assert.deepEqual(hub.auth, { kind: 'basic', username: 'everybody', password: 'get' });
  assert.deepEqual(token.auth, { kind: 'identity-token', token: 'refresh' });
});

test('a helper that knows nothing leaves it to the file', async (t) => {
  const config = { credsStore: 'all', auths: { 'example.org': { auth: base64('ann:pass:word') } } };

  const { auth, stderr } = await authWith(t, config, 'example.org/a', {
    all: 'echo "credentials not found in native keychain"; exit 1',
  });

  assert.deepEqual(auth, ANN);
  assert.equal(stderr, '');
});

for (const [what, config, helpers, message] of [
  ['a helper that is not there', { credsStore: 'missing' }, {}, /from docker-credential-missing: spawn .* ENOENT/],
  [
    'a helper that fails',
    { credsStore: 'all' },
    { all: 'echo no; exit 3' },
    /docker-credential-all: it failed with code 3/,
  ],
  [
    'a helper that babbles',
    { credsStore: 'all' },
    { all: 'echo hello' },
    /docker-credential-all: it answers something else/,
  ],
  ['a helper with a path', { credsStore: '../evil' }, {}, /Cannot ask credential helper "\.\.\/evil"/],
  ['a file that is no JSON', '{"auths":{"x":{"auth":"c2VjcmV0"}', {}, /Cannot read .*config\.json: it is no JSON/],
] as const) {
  test(`${what} is told of, and the registry is asked as by anybody`, async (t) => {
    const { auth, stderr } = await authWith(t, config, 'example.org/a', helpers);

    assert.equal(auth, undefined);
    assert.match(stderr, message);
    assert.match(stderr, /: going on without credentials\n$/);
    assert.doesNotMatch(stderr, /c2VjcmV0/);
  });
}

/** A world whose image is not there before it is pulled. */
function worldWithout(image: string) {
  const world = new World();
  const pulled: string[] = [];
  const { engine } = world;
  const real = engine.containers;
  const parts = engineOf(world, {
    create: (request, options) => {
      if (pulled.includes(image)) return real.create({ ...request, image: 'test' }, options);
      return real.create(request, options);
    },
  });
  const pullImage = ({ name, onProgress }: PullRequest): Promise<Image> => {
    pulled.push(name);
    onProgress({ step: 'done', layer: LAYER, bytes: 5, totalBytes: 5 });
    return Promise.resolve(testImage);
  };
  return { world, pulled, parts: { ...parts, pullImage } };
}

test('a container whose image is missing is created when that is pulled', async () => {
  const { world, pulled, parts } = worldWithout('app:1');
  await using _ = new RunningTime(world);
  await using served = await Served.open(parts);

  const { code, stdout, stderr } = await berth(['create', '--name', 'web', 'app:1'], {
    socket: served.socket,
    env: NO_CONFIG,
  });

  assert.equal(code, 0, stderr);
  assert.deepEqual(pulled, ['app:1']);
  assert.match(stdout.toString(), /^[0-9a-f]{64}\n$/);
  assert.equal(stderr, 'berth: image "app:1" is not here: getting it from its registry\nabababababab: done\n');
});

test('an image that is there is pulled only when that is wanted, and one that is not there is not when it is not', async () => {
  const { world, pulled, parts } = worldWithout('app:1');
  await using _ = new RunningTime(world);
  await using served = await Served.open(parts);
  const options = { socket: served.socket, env: NO_CONFIG };

  const never = await berth(['create', '--pull', 'never', 'app:1'], options);
  const there = await berth(['create', 'test'], options);
  const pulledBefore = [...pulled];
  const always = await berth(['create', '--pull', 'always', 'test'], options);

  assert.equal(never.code, 1);
  assert.match(never.stderr, /^berth: Cannot find image "app:1": there is none\n$/);
  assert.equal(there.code, 0, there.stderr);
  assert.deepEqual(pulledBefore, []);
  assert.equal(always.code, 0, always.stderr);
  assert.deepEqual(pulled, ['test']);
});

test('images are listed with the digest of each name, and digests without a name have lines of their own', async () => {
  const image: Image = {
    ...testImage,
    names: ['docker.io/library/a:1', 'docker.io/library/a:2', 'example.org/b:1'],
    digests: [`docker.io/library/a@sha256:${'1'.repeat(64)}`, `example.org/c@sha256:${'2'.repeat(64)}`],
  };
  await using served = await Served.open({ images: { list: () => [image], find: () => image } });

  const short = await berth(['images'], { socket: served.socket });
  const full = await berth(['images', '--digests'], { socket: served.socket });

  const rows = short.stdout
    .toString()
    .split('\n')
    .map((line) => line.split(/ {2,}/).slice(0, 2));
  assert.deepEqual(rows.slice(0, 5), [
    ['NAME', 'DIGEST'],
    ['docker.io/library/a:1', '111111111111'],
    ['docker.io/library/a:2', '111111111111'],
    ['example.org/b:1', '-'],
    ['example.org/c', '222222222222'],
  ]);
  assert.match(full.stdout.toString(), /^example\.org\/c +sha256:2{64} /m);
});

test('images are removed by name, with all their names, and all that nobody uses at once', async () => {
  const removed: string[] = [];
  await using served = await Served.open({
    removeImage: (name) => Promise.resolve(void removed.push(`name ${name}`)),
    removeWholeImage: (name) => Promise.resolve(void removed.push(`whole ${name}`)),
    pruneImages: () => Promise.resolve([testImage, { ...testImage, names: [], digests: [] }]),
  });

  await berth(['rmi', 'a'], { socket: served.socket });
  await berth(['rmi', '--all', 'b', 'c'], { socket: served.socket });
  const pruned = await berth(['image', 'prune'], { socket: served.socket });
  const unclear = await berth(['image'], { socket: served.socket });

  assert.deepEqual(removed.toSorted(), ['name a', 'whole b', 'whole c']);
  assert.equal(pruned.stdout.toString(), `docker.io/library/test:latest\n${testImage.id}\n`);
  assert.equal(pruned.stderr, 'berth: 2 removed, 2.0 KiB of layers\n');
  assert.equal(unclear.code, 2);
  assert.match(unclear.stderr, /must be "berth image prune"/);
});
