/** The versions of the CNI specification that berth speaks, oldest first. @see CNI SPEC.md, "Version" */
const VERSIONS = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

export type CniVersion = (typeof VERSIONS)[number];

/** What a configuration and a result that name none are written in. @see containernetworking/cni pkg/version/conf.go */
export const DEFAULT_VERSION: CniVersion = '0.1.0';

export function isVersion(text: string): text is CniVersion {
  return (VERSIONS as readonly string[]).includes(text);
}

export function isAtLeast(version: CniVersion, other: CniVersion): boolean {
  return VERSIONS.indexOf(version) >= VERSIONS.indexOf(other);
}

/** The newest of the offered ones that berth speaks. */
export function newestOf(offered: readonly string[]): CniVersion | undefined {
  return VERSIONS.findLast((version) => offered.includes(version));
}

export const versionRange = `${VERSIONS[0]} to ${VERSIONS.at(-1)}`;
