import { arch } from 'node:process';
import { BerthError } from '../base/errors.ts';

/** A system that an image is made for, in Go's words, which are those of the OCI. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  /** Of the architecture: `v8` of arm64, `v3` of amd64. */
  readonly variant?: string | undefined;
}

/** Node's names where they differ from Go's. @see go.dev/doc/install/source#environment */
const GO_NAMES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' };
/** Other names for the same. @see containerd platforms/database.go, normalizeArch */
const SAME: Readonly<Record<string, string>> = { x86_64: 'amd64', 'x86-64': 'amd64', aarch64: 'arm64', i386: '386' };
/** What every processor of an architecture can do; the other variants want more than that. */
const BASELINE: Readonly<Record<string, string>> = { amd64: 'v1', arm64: 'v8' };
/** Attestations are kept beside images as if they were images for a platform. */
const NO_PLATFORM = 'unknown';

export const hostPlatform: Platform = { os: 'linux', architecture: GO_NAMES[arch] ?? arch };

/** Whether it runs on any processor of the host's kind. What is made for newer ones only may not. */
export function isForHost({ os, architecture, variant = '' }: Platform, host: Platform = hostPlatform): boolean {
  if (os !== host.os || (SAME[architecture] ?? architecture) !== host.architecture) return false;
  const wanted = /^\d/.test(variant) ? `v${variant}` : variant;
  return wanted === '' || wanted === BASELINE[host.architecture];
}

/**
 * Those of an index that are for this host, in its order. What has no platform is taken to be for any, and attestations
 * are none.
 * @param what is read, for messages
 * @throws BerthError Unsupported when there is none
 */
export function forThisHost<T extends { readonly platform?: Platform | undefined }>(
  manifests: readonly T[],
  what: string,
): [T, ...T[]] {
  const images = manifests.filter(({ platform }) => platform?.os !== NO_PLATFORM);
  const [first, ...others] = images.filter(({ platform }) => platform === undefined || isForHost(platform));
  if (first !== undefined) return [first, ...others];
  const there = images.map(({ platform }) => (platform === undefined ? '' : formatPlatform(platform))).join(', ');
  throw new BerthError(
    'Unsupported',
    `Cannot read ${what}: it has no image for ${formatPlatform(hostPlatform)}, only for ${there || 'nothing'}`,
  );
}

export function formatPlatform({ os, architecture, variant = '' }: Platform): string {
  return variant === '' ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}
