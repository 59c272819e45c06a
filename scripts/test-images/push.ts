import { gzipSync } from 'node:zlib';
import { hostPlatform } from '../../src/images/platform.ts';
import { json, sha256 } from '../../test/support/images.ts';

const TYPES = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
};
/** Nothing in an image may depend on when it was built. */
const CREATED = '1970-01-01T00:00:00Z';

/** A layer as registries keep it. */
export interface PackedLayer {
  readonly blob: Buffer;
  /** Of the tar inside. */
  readonly diffId: string;
}

export interface BuiltImage {
  readonly layers: readonly PackedLayer[];
  /** The part of the config that is about containers. */
  readonly config: object;
}

export function packLayer(tar: Buffer): PackedLayer {
  return { blob: gzipSync(tar), diffId: sha256(tar) };
}

/**
 * Pushes an image for this host's platform.
 * @param registry `HOST:PORT`
 * @param names with any host, which is left out
 * @returns the digest of its manifest
 */
export async function pushImage(registry: string, names: readonly string[], image: BuiltImage): Promise<string> {
  const config = json({
    created: CREATED,
    ...hostPlatform,
    config: image.config,
    rootfs: { type: 'layers', diff_ids: image.layers.map(({ diffId }) => diffId) },
    history: image.layers.map(() => ({ created: CREATED, created_by: 'scripts/test-images' })),
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: TYPES.manifest,
    config: descriptor(TYPES.config, config),
    layers: image.layers.map(({ blob }) => descriptor(TYPES.layer, blob)),
  });
  const paths = new Set(names.map((name) => name.slice(name.indexOf('/') + 1).replace(':', '/manifests/')));
  for (const path of paths) {
    const repository = `http://${registry}/v2/${path.slice(0, path.indexOf('/manifests/'))}`;
    for (const blob of [config, ...image.layers.map((layer) => layer.blob)]) await pushBlob(repository, blob);
    await call('PUT', `http://${registry}/v2/${path}`, manifest, TYPES.manifest);
  }
  return sha256(manifest);
}

function descriptor(mediaType: string, blob: Buffer): object {
  return { mediaType, digest: sha256(blob), size: blob.length };
}

async function pushBlob(repository: string, blob: Buffer): Promise<void> {
  const begun = await call('POST', `${repository}/blobs/uploads/`);
  const place = new URL(begun.headers.get('location') ?? '', repository);
  place.searchParams.set('digest', sha256(blob));
  await call('PUT', place.href, blob, 'application/octet-stream');
}

async function call(method: string, url: string, body?: Buffer, type?: string): Promise<Response> {
  const answer = await fetch(url, {
    method,
    ...(body === undefined ? {} : { body: new Uint8Array(body) }),
    headers: type === undefined ? {} : { 'content-type': type },
  });
  if (!answer.ok) throw new Error(`Cannot push: ${method} ${url} answers ${answer.status} ${await answer.text()}`);
  return answer;
}
