import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { hostPlatform } from '../../src/images/platform.ts';
import { BUSYBOX } from './busybox.ts';
import { tarOf } from './tar.ts';
import type { TarMember } from './tar.ts';

/** Path → content of a file; a path that ends with `/` is a folder. Or members, for all that is rarer. */
export type Files = Readonly<Record<string, string>> | readonly TarMember[];

export type TestCompression = 'none' | 'gzip' | 'zstd';

export interface TestImage {
  readonly names?: readonly string[];
  /** From the bottom up; ready-made tars, or the files for them. */
  readonly layers: readonly (Files | Buffer)[];
  /** The part of the config that is about containers: `Cmd` and the like. */
  readonly config?: object;
  readonly compression?: TestCompression;
  readonly architecture?: string;
  /** Told in the config instead of the layers' own. */
  readonly diffIds?: readonly string[];
}

/** What is in an archive, to be tampered with before it is written. */
export type ArchiveFiles = Map<string, Buffer>;
export type Tamper = (files: ArchiveFiles) => void;

const TYPES = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
};
const SUFFIXES = { none: '', gzip: '+gzip', zstd: '+zstd' };

interface Ref {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export function compress(content: Buffer, compression: TestCompression): Buffer {
  if (compression === 'gzip') return gzipSync(content, { level: 1 });
  return compression === 'zstd' ? zstdCompressSync(content) : content;
}

export function sha256(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

function layerTar(files: Files | Buffer): Buffer {
  if (Buffer.isBuffer(files)) return files;
  if (isMembers(files)) return tarOf(files);
  return tarOf(Object.entries(files).map(([name, content]) => ({ name, content })));
}

function isMembers(files: Files): files is readonly TarMember[] {
  return Array.isArray(files);
}

/** The files of a root, as `docker export` writes them. */
export function makeRootArchive(files: Files, compression: TestCompression = 'none'): Buffer {
  return compress(layerTar(files), compression);
}

function configOf({ layers, config, architecture, diffIds }: TestImage): Buffer {
  return json({
    created: '2026-01-02T03:04:05Z',
    architecture: architecture ?? hostPlatform.architecture,
    os: 'linux',
    config: config ?? {},
    rootfs: { type: 'layers', diff_ids: diffIds ?? layers.map((layer) => sha256(layerTar(layer))) },
  });
}

export function idOf(image: TestImage): string {
  return sha256(configOf(image));
}

/** What `docker save` writes: the older form, or the one since version 25, which is an OCI layout too. */
export function makeDockerArchive(
  images: readonly TestImage[],
  form: 'old' | 'dual' = 'old',
  tamper: Tamper = () => undefined,
): Buffer {
  const files: ArchiveFiles = new Map();
  const manifest = images.map((image) => {
    const config = configOf(image);
    const put = (content: Buffer, oldName: string): string => {
      const hex = sha256(content).slice('sha256:'.length);
      const name = form === 'dual' ? `blobs/sha256/${hex}` : oldName.replace('HEX', hex);
      files.set(name, content);
      return name;
    };
    return {
      Config: put(config, 'HEX.json'),
      RepoTags: image.names ?? null,
      Layers: image.layers.map((layer) => put(compress(layerTar(layer), image.compression ?? 'none'), 'HEX/layer.tar')),
    };
  });
  if (form === 'dual') addOciImages(files, images, dockerAnnotations);
  files.set('manifest.json', json(manifest));
  tamper(files);
  return archiveOf(files);
}

/** What `skopeo copy … oci-archive:` writes. */
export function makeOciArchive(images: readonly TestImage[], tamper: Tamper = () => undefined): Buffer {
  const files: ArchiveFiles = new Map();
  addOciImages(files, images, ociAnnotations);
  tamper(files);
  return archiveOf(files);
}

/** An image for several platforms: the layout's index points to an index of its own. */
export function makeIndexArchive(name: string, images: readonly TestImage[]): Buffer {
  const files: ArchiveFiles = new Map();
  const manifests = images.map((image) => ({
    ...addOciImage(files, image),
    platform: { os: 'linux', architecture: image.architecture ?? hostPlatform.architecture },
  }));
  const attestation = {
    ...addBlob(files, json({}), TYPES.manifest),
    platform: { os: 'unknown', architecture: 'unknown' },
  };
  const index = addBlob(files, json({ schemaVersion: 2, manifests: [...manifests, attestation] }), TYPES.index);
  addLayout(files, [{ ...index, annotations: { 'org.opencontainers.image.ref.name': name } }]);
  return archiveOf(files);
}

/** An image as a registry has it. */
export interface PushedImage {
  readonly manifest: Buffer;
  readonly mediaType: string;
  /** By digest: config and layers. */
  readonly blobs: ReadonlyMap<string, Buffer>;
  /** From the bottom up. */
  readonly layers: readonly string[];
}

const DOCKER_TYPES: Readonly<Record<string, string>> = {
  [TYPES.manifest]: 'application/vnd.docker.distribution.manifest.v2+json',
  [TYPES.config]: 'application/vnd.docker.container.image.v1+json',
  [TYPES.layer]: 'application/vnd.docker.image.rootfs.diff.tar',
  [`${TYPES.layer}+gzip`]: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
};

/** What is pushed, in the OCI's words or in those of Docker's schema 2. */
export function pushedImage(image: TestImage, form: 'oci' | 'docker' = 'oci'): PushedImage {
  const files: ArchiveFiles = new Map();
  const { digest } = addOciImage(files, image);
  const content = files.get(`blobs/${digest.replace(':', '/')}`)?.toString() ?? '';
  const inDocker = content.replace(/"(application\/[^"]+)"/g, (_, type: string) => `"${DOCKER_TYPES[type] ?? type}"`);
  const manifest = Buffer.from(form === 'oci' ? content : inDocker);
  files.delete(`blobs/${digest.replace(':', '/')}`);
  const { layers } = JSON.parse(content) as { readonly layers: readonly Ref[] };
  return {
    manifest,
    mediaType: form === 'oci' ? TYPES.manifest : (DOCKER_TYPES[TYPES.manifest] ?? ''),
    blobs: new Map([...files].map(([name, blob]) => [name.slice('blobs/'.length).replace('/', ':'), blob])),
    layers: layers.map((layer) => layer.digest),
  };
}

type Annotate = (name: string) => Readonly<Record<string, string>>;

function ociAnnotations(name: string): Readonly<Record<string, string>> {
  return { 'org.opencontainers.image.ref.name': name };
}

/** Docker's own: the full name in containerd's annotation, and only the tag where the OCI has the name. */
function dockerAnnotations(name: string): Readonly<Record<string, string>> {
  return {
    'io.containerd.image.name': `docker.io/library/${name}`,
    'org.opencontainers.image.ref.name': name.slice(name.indexOf(':') + 1),
  };
}

function addOciImages(files: ArchiveFiles, images: readonly TestImage[], annotate: Annotate): void {
  const descriptors = images.flatMap((image): object[] => {
    const manifest = addOciImage(files, image);
    const named = (image.names ?? []).map((name) => ({ ...manifest, annotations: annotate(name) }));
    return named.length === 0 ? [manifest] : named;
  });
  addLayout(files, descriptors);
}

function addOciImage(files: ArchiveFiles, image: TestImage): Ref {
  const compression = image.compression ?? 'none';
  const type = TYPES.layer + SUFFIXES[compression];
  const manifest = {
    schemaVersion: 2,
    mediaType: TYPES.manifest,
    config: addBlob(files, configOf(image), TYPES.config),
    layers: image.layers.map((layer) => addBlob(files, compress(layerTar(layer), compression), type)),
  };
  return addBlob(files, json(manifest), TYPES.manifest);
}

function addBlob(files: ArchiveFiles, content: Buffer, mediaType: string): Ref {
  const digest = sha256(content);
  files.set(`blobs/${digest.replace(':', '/')}`, content);
  return { mediaType, digest, size: content.length };
}

function addLayout(files: ArchiveFiles, manifests: readonly object[]): void {
  files.set('index.json', json({ schemaVersion: 2, manifests }));
  files.set('oci-layout', json({ imageLayoutVersion: '1.0.0' }));
}

function archiveOf(files: ArchiveFiles): Buffer {
  return tarOf([...files].map(([name, content]) => ({ name, content })));
}

export function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** A root that programs can run in: Debian's static busybox with a link for each of its commands. */
export function busyboxRoot(): TarMember[] {
  const applets = execFileSync(BUSYBOX, ['--list'], { encoding: 'utf8' }).trim().split('\n');
  return [
    ...['./', 'bin/', 'dev/', 'etc/', 'proc/', 'sys/', 'tmp/', 'usr/', 'var/'].map((name) => ({ name })),
    { name: 'root/', mode: 0o700 },
    { name: 'bin/busybox', content: readFileSync(BUSYBOX), mode: 0o755 },
    ...applets.filter((name) => name !== 'busybox').map((name) => link(`bin/${name}`, 'busybox')),
    { name: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' },
    { name: 'etc/group', content: 'root:x:0:\nnogroup:x:65534:\n' },
  ];
}

function link(name: string, target: string): TarMember {
  return { name, type: 'symlink', link: target };
}
