import type { ContainerSpec, Resources } from '../../engine/container/spec.ts';
import type { SandboxSpec } from '../../engine/sandbox/state.ts';
import type { ContainerMetadata, ImageSpec, Mount, NamespaceOption } from '../../gen/cri/api.ts';

/** What the door must give back of a pod's sandbox and the engine does not keep by itself. Saved as JSON. */
export interface SandboxData {
  readonly door: 'cri';
  readonly namespaces?: NamespaceOption;
  readonly isPrivileged: boolean;
  /** As it was asked for: empty for the default one. */
  readonly runtimeHandler: string;
  /** What its containers may use together, and what the pod itself takes: a kubelet sees to both. */
  readonly resources?: Resources;
  readonly overhead?: Resources;
}

/** Likewise of a container. */
export interface ContainerData {
  readonly door: 'cri';
  readonly metadata: ContainerMetadata;
  readonly image: ImageSpec;
  /** Without those of the image. */
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
}

/** Makes it what will be read again later, so that a request is equal to one that was saved. */
export function asSaved<T extends SandboxData | ContainerData>(data: T): T {
  return JSON.parse(JSON.stringify(data)) as T;
}

/** Undefined for a sandbox that was made at another door: a kubelet would kill what it does not know. */
export function sandboxData({ apiData }: SandboxSpec): SandboxData | undefined {
  return isOurs(apiData) ? (apiData as SandboxData) : undefined;
}

export function containerData({ apiData }: ContainerSpec): ContainerData | undefined {
  return isOurs(apiData) ? (apiData as ContainerData) : undefined;
}

function isOurs(apiData: unknown): boolean {
  return typeof apiData === 'object' && apiData !== null && Reflect.get(apiData, 'door') === 'cri';
}
