import { arch } from 'node:process';

/** A system that an image is made for, in Go's words, which are those of the OCI. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
}

/** Node's names where they differ from Go's. @see go.dev/doc/install/source#environment */
const GO_NAMES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' };

export const hostPlatform: Platform = { os: 'linux', architecture: GO_NAMES[arch] ?? arch };

export function isForHost({ os, architecture }: Platform): boolean {
  return os === hostPlatform.os && architecture === hostPlatform.architecture;
}

export function formatPlatform({ os, architecture }: Platform): string {
  return `${os}/${architecture}`;
}
