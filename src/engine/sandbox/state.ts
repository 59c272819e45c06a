import type { IdMappings } from '../../base/id-mappings.ts';
import type { BootDeadline } from '../container/state.ts';

/**
 * `none`: an own namespace with only the loopback device; `host`: the host's; `cni`: an own one that the networks of the
 * CNI configuration are attached to.
 */
export type SandboxNetwork = 'none' | 'host' | 'cni';

/** Whom a pod belongs to, as its kubelet calls it. Together they are its identity. */
export interface PodIdentity {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  /** How often the kubelet has made this pod's sandbox before. */
  readonly attempt: number;
}

export interface PortMapping {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly containerPort: number;
  readonly hostPort: number;
  /** The host's address that is listened on; left out: all of them. */
  readonly hostIp?: string;
}

/** The lines of a resolv.conf. */
export interface DnsConfig {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

/** What a door asks for when it makes a pod's sandbox. */
export interface SandboxRequest {
  /** Unique among sandboxes. */
  readonly name: string;
  readonly network: SandboxNetwork;
  /** `host`: the host's IPC namespace and /dev/shm; left out: its own. */
  readonly ipc?: 'sandbox' | 'host';
  /** Its containers' users are others to the host; left out: they are the host's. */
  readonly users?: IdMappings;
  readonly pod?: PodIdentity;
  /** Left out: the short id; a sandbox in the host's network has the host's. */
  readonly hostname?: string;
  /** Left out: the host's resolv.conf. */
  readonly dns?: DnsConfig;
  readonly ports?: readonly PortMapping[];
  /** By the kernel's name with dots: `net.ipv4.ip_forward`. Only those that belong to a namespace of the sandbox. */
  readonly sysctls?: Readonly<Record<string, string>>;
  /** The cgroup below which its containers have theirs: `/kubepods/pod1`; left out: the setting. */
  readonly cgroupParent?: string;
  /** Where the logs of its containers are, when they name a file without its folder. */
  readonly logFolder?: string;
  /** Which runtime runs its containers; left out: the default one. */
  readonly handler?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** What the door must echo and the engine does not use. */
  readonly apiData?: unknown;
}

/** Where containers live: the owner of namespaces, addresses and ports. Only what its door keeps with it changes. */
export interface SandboxSpec {
  readonly id: string;
  readonly name: string;
  readonly network: SandboxNetwork;
  readonly ipc: 'sandbox' | 'host';
  readonly hostname: string;
  /** Set for a sandbox that was made for one container, and goes with it. */
  readonly owner?: string;
  /** Those of its user namespace; undefined: it has the host's. */
  readonly users?: IdMappings;
  readonly pod?: PodIdentity;
  readonly dns?: DnsConfig;
  readonly ports: readonly PortMapping[];
  readonly sysctls: Readonly<Record<string, string>>;
  readonly cgroupParent?: string;
  readonly logFolder?: string;
  /** Its containers' runtime. */
  readonly handler: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly apiData: unknown;
}

/**
 * What is pinned, by its file; what is missing is the host's. `shm`: a tmpfs that its containers share as /dev/shm.
 * `user`: the namespace that the others belong to.
 */
export interface NamespacePins {
  readonly user?: string;
  readonly net?: string;
  readonly ipc?: string;
  readonly uts?: string;
  readonly shm?: string;
}

/**
 * ```
 *   creating ─▶ ready ─▶ stopping ─▶ stopped ─▶ (removed)
 *       └───────────────────▲            │
 *                 ready ◀────────────────┘  (a container's own sandbox, at its next start)
 * ```
 * The names of what is made are saved with `creating`, before any of it is made. From `stopping` on nothing more is
 * created, started or run in it.
 */
export type SandboxState =
  | { readonly phase: 'creating'; readonly pins: NamespacePins; readonly deadline: BootDeadline }
  | {
      readonly phase: 'ready';
      readonly pins: NamespacePins;
      readonly bootId: string;
      /** IP addresses, the primary one first; none in the host's network. */
      readonly addresses: readonly string[];
    }
  | {
      readonly phase: 'stopping';
      readonly pins: NamespacePins;
      readonly bootId: string;
      readonly addresses: readonly string[];
      readonly reason?: string;
    }
  | { readonly phase: 'stopped'; readonly stoppedAt: number };

export interface SandboxRow {
  readonly spec: SandboxSpec;
  readonly state: SandboxState;
  /** Unix ms. */
  readonly createdAt: number;
}
