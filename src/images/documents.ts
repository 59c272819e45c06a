import * as v from 'valibot';
import { decode } from '../base/decode.ts';
import type { Schema } from '../base/decode.ts';
import { BerthError } from '../base/errors.ts';

/** @see OCI image-spec media-types.md; the names of Docker's schema 2 mean the same documents */
export const MEDIA_TYPES = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
} as const;

/** The annotation of a layout's index that names an image. @see OCI image-spec annotations.md */
export const REF_NAME = 'org.opencontainers.image.ref.name';

/** Layers that only their maker may hand out, and those that somebody has to decrypt. */
const CLOSED_LAYER = /nondistributable|\.foreign\.|\+encrypted/;

const INDEX_TYPES: readonly string[] = [MEDIA_TYPES.index, 'application/vnd.docker.distribution.manifest.list.v2+json'];
const MANIFEST_TYPES: readonly string[] = [
  MEDIA_TYPES.manifest,
  'application/vnd.docker.distribution.manifest.v2+json',
];
const SCHEMA_1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+/;
const CONFIG_TYPES: readonly string[] = [MEDIA_TYPES.config, 'application/vnd.docker.container.image.v1+json'];

/** Registries take no bigger manifests; no known config comes near it. @see OCI distribution-spec, Pushing Manifests */
export const LARGEST_DOCUMENT_BYTES = 4 << 20;

const Digest = v.pipe(
  v.string(),
  v.check((text) => /^sha256:[0-9a-f]{64}$/.test(text), 'sha256: and 64 hexadecimal digits'),
);
const Size = v.pipe(
  v.number(),
  v.check((size) => Number.isSafeInteger(size) && size >= 0, 'a number of bytes'),
);
const Text = v.nullish(v.string(), '');
const Texts = v.nullish(v.array(v.string()), []);
const TextMap = v.nullish(v.record(v.string(), v.string()), {});

const PlatformField = v.pipe(
  v.nullish(v.object({ architecture: v.string(), os: v.string(), variant: v.nullish(v.string(), '') })),
  v.transform((platform) => platform ?? undefined),
);

const DescriptorSchema = v.object({
  mediaType: Text,
  digest: Digest,
  size: Size,
  platform: PlatformField,
  annotations: TextMap,
});

const IndexSchema = v.object({ mediaType: Text, manifests: v.array(DescriptorSchema) });

const ManifestSchema = v.object({ mediaType: Text, config: DescriptorSchema, layers: v.array(DescriptorSchema) });

/** Docker writes `null` for what is not set. @see OCI image-spec config.md */
const ConfigSchema = v.object({
  created: Text,
  architecture: Text,
  os: Text,
  variant: Text,
  config: v.nullish(
    v.object({
      Entrypoint: Texts,
      Cmd: Texts,
      Env: Texts,
      WorkingDir: Text,
      User: Text,
      StopSignal: Text,
      Labels: TextMap,
    }),
    {},
  ),
  rootfs: v.object({ diff_ids: v.nullish(v.array(Digest), []) }),
});

/** The `manifest.json` of `docker save`. */
const DockerManifestSchema = v.array(v.object({ Config: v.string(), RepoTags: Texts, Layers: Texts }));

export type Descriptor = v.InferOutput<typeof DescriptorSchema>;
export type Index = v.InferOutput<typeof IndexSchema>;
export type Manifest = v.InferOutput<typeof ManifestSchema>;
export type ConfigDocument = v.InferOutput<typeof ConfigSchema>;
export type DockerManifest = v.InferOutput<typeof DockerManifestSchema>;

/** What a blob is and where: the part of a descriptor that every one has. */
export type BlobRef = Pick<Descriptor, 'mediaType' | 'digest' | 'size'>;

/** What a registry is asked for, as the header Accept has it. */
export const MANIFEST_ACCEPT: string = [...INDEX_TYPES, ...MANIFEST_TYPES].join(', ');

/** @throws BerthError Unsupported for what came before the documents of today */
export function refuseSchema1(mediaType: string, what: string): void {
  if (!SCHEMA_1.test(mediaType)) return;
  const fact = "it is in Docker's schema 1, which berth does not read: it has to be pushed again by a newer Docker";
  throw new BerthError('Unsupported', `${what}: ${fact}`);
}

/** @throws BerthError Unsupported */
export function refuseClosedLayer({ mediaType, digest }: BlobRef): void {
  if (!CLOSED_LAYER.test(mediaType)) return;
  throw new BerthError(
    'Unsupported',
    `Cannot get layer ${digest}: its kind is "${mediaType}", which is not open to us`,
  );
}

/**
 * Reads what a descriptor of an index points to. The document must be of one kind only, and of the kind that was
 * announced: otherwise two programs could read two different images out of it.
 * @throws BerthError InvalidArgument; Unsupported for other kinds of documents
 * @see CVE-2021-41190
 */
export function readManifestOrIndex(
  text: Buffer,
  { mediaType, digest }: BlobRef,
): { readonly index: Index } | { readonly manifest: Manifest } {
  const what = `manifest ${digest}`;
  const json = parseJson(text, what);
  const own = mediaTypeOf(json);
  const announced = mediaType === '' ? own : mediaType;
  const isIndex = announced === '' ? hasKey(json, 'manifests') : INDEX_TYPES.includes(announced);
  const isManifest = announced === '' ? hasKey(json, 'layers') : MANIFEST_TYPES.includes(announced);
  if (isIndex === isManifest) {
    throw new BerthError('Unsupported', `Cannot read ${what}: its media type is "${announced}"`);
  }
  if ((own !== '' && own !== announced) || hasKey(json, isIndex ? 'layers' : 'manifests')) {
    throw new BerthError('InvalidArgument', `Cannot read ${what}: it says to be two kinds of documents`);
  }
  return isIndex ? { index: decode(IndexSchema, json, what) } : { manifest: readManifest(json, what) };
}

function readManifest(json: unknown, what: string): Manifest {
  const manifest = decode(ManifestSchema, json, what);
  const { mediaType } = manifest.config;
  if (CONFIG_TYPES.includes(mediaType)) return manifest;
  throw new BerthError('Unsupported', `Cannot read ${what}: it is no image, its config is "${mediaType}"`);
}

export const readIndex = reader(IndexSchema);
export const readConfig = reader(ConfigSchema);
export const readDockerManifest = reader(DockerManifestSchema);

function reader<T>(schema: Schema<T>): (text: Buffer, what: string) => T {
  return (text, what) => decode(schema, parseJson(text, what), what);
}

function parseJson(text: Buffer, what: string): unknown {
  try {
    return JSON.parse(text.toString('utf8'));
  } catch (error) {
    throw new BerthError('InvalidArgument', `Cannot read ${what}: it is no JSON`, { cause: error });
  }
}

function mediaTypeOf(json: unknown): string {
  const { mediaType } = Object(json) as { readonly mediaType?: unknown };
  return typeof mediaType === 'string' ? mediaType : '';
}

function hasKey(json: unknown, key: string): boolean {
  return typeof json === 'object' && json !== null && key in json;
}
