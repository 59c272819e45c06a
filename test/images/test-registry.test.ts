import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CONFORMANCE_IMAGES, IMAGE_HOSTS, serveTestImages } from '../support/conformance-images.ts';
import { sha256 } from '../support/images.ts';
import { writeMirrors } from '../support/registry.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

test('the registry of the tests serves every image of the CRI suite under its own name', async () => {
  await using registry = await serveTestImages();

  for (const { names, layers } of Object.values(CONFORMANCE_IMAGES)) {
    for (const name of names) {
      const { repository, tag } = placeOf(registry.address, name);
      const answer = await fetch(`${repository}/manifests/${tag}`, { headers: { accept: MANIFEST } });
      const text = await answer.text();
      assert.equal(answer.status, 200, `${name}: ${text}`);
      assert.equal(answer.headers.get('docker-content-digest'), sha256(Buffer.from(text)), name);

      const manifest = JSON.parse(text) as Manifest;
      assert.equal(manifest.layers.length, layers.length, name);
      for (const { digest } of [manifest.config, ...manifest.layers]) {
        const blob = await fetch(`${repository}/blobs/${digest}`, { method: 'HEAD' });
        assert.equal(blob.status, 200, `${name} ${digest}`);
      }
    }
  }
});

test('images that a spec tells apart have different configs, and the pause of both its hosts is one', async () => {
  await using registry = await serveTestImages();
  const { one, two, three, tag, allReferences, pause, sandboxPause } = CONFORMANCE_IMAGES;

  const different = [one, two, three, tag, allReferences, pause, sandboxPause].map(({ names }) => names[0]);
  const configs = await Promise.all(different.map((name) => configOf(registry.address, name)));
  assert.equal(new Set(configs).size, different.length);

  const same = await Promise.all(pause.names.map((name) => configOf(registry.address, name)));
  assert.equal(new Set(same).size, 1);
});

test('the registry of the tests takes no push, and nothing of it is left when it is disposed', async () => {
  const registry = await serveTestImages();
  const { pid, address } = registry;

  const refused = await fetch(`http://${address}/v2/pause/blobs/uploads/`, { method: 'POST' });
  assert.equal(refused.status, 405);

  await registry[Symbol.asyncDispose]();
  assert.equal(existsSync(`/proc/${pid}`), false);
  await assert.rejects(fetch(`http://${address}/v2/`));
});

test('mirrors name the registry as the only server of every host', () => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-mirrors-'));
  try {
    writeMirrors(folder, '127.0.0.1:5000', IMAGE_HOSTS);

    const names = Object.values(CONFORMANCE_IMAGES).flatMap((image): readonly string[] => image.names);
    for (const host of new Set(names.map((name) => name.slice(0, name.indexOf('/'))))) {
      const text = readFileSync(`${folder}/${host}/hosts.toml`, 'utf8');
      assert.match(text, /^server = "http:\/\/127\.0\.0\.1:5000"\n\n\[host\."http:\/\/127\.0\.0\.1:5000"\]\n/);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

async function configOf(address: string, name: string): Promise<string> {
  const { repository, tag } = placeOf(address, name);
  const answer = await fetch(`${repository}/manifests/${tag}`, { headers: { accept: MANIFEST } });
  return ((await answer.json()) as Manifest).config.digest;
}

function placeOf(address: string, name: string): { readonly repository: string; readonly tag: string } {
  const tagStart = name.lastIndexOf(':');
  const repository = name.slice(name.indexOf('/') + 1, tagStart);
  return { repository: `http://${address}/v2/${repository}`, tag: name.slice(tagStart + 1) };
}
