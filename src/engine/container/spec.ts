import type { IdMappings } from '../../base/id-mappings.ts';
import type { SignalName } from '../../base/signals.ts';
import type { SandboxNetwork } from '../sandbox/state.ts';

/** Who asks, for the timeline and the exit record: `cli (uid 0, pid 4711)`, `recovery`. */
export type Requester = string;

/** What a door asks for. Everything left out is taken from the image or from the engine's settings. */
export interface ContainerRequest {
  readonly name?: string;
  /** An image name or id, or a unique prefix of an id. */
  readonly image: string;
  /** Replaces the image's entrypoint, and its command with it. */
  readonly entrypoint?: readonly string[];
  /** Replaces the image's command. */
  readonly command?: readonly string[];
  /** `KEY=value`; later ones win over earlier ones and over the image's. */
  readonly env?: readonly string[];
  readonly cwd?: string;
  /** `user`, `user:group`, `uid`, `uid:gid`; names are looked up in the image. */
  readonly user?: string;
  readonly supplementalGroups?: SupplementalGroups;
  readonly hasTerminal?: boolean;
  readonly hasStdin?: boolean;
  /** Its input ends with the first client that was attached to it. */
  readonly isStdinOnce?: boolean;
  readonly mounts?: readonly MountRequest[];
  readonly resources?: Resources;
  readonly security?: SecurityRequest;
  readonly rlimits?: readonly Rlimit[];
  readonly oomScoreAdj?: number;
  readonly shmSizeBytes?: number;
  readonly pid?: PidNamespace;
  /** Where the container lives. Without an id a private sandbox is made, and removed with the container. */
  readonly sandbox?: PrivateSandboxRequest | { readonly id: string };
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** In any spelling; left out: the image's, else SIGTERM. */
  readonly stopSignal?: string;
  /** ms; left out: the setting. */
  readonly stopGraceMs?: number;
  readonly restart?: RestartPolicy;
  /** Which runtime runs it; left out: the sandbox's, else the default one. */
  readonly handler?: string;
  /** Absolute, or below the sandbox's log folder; left out: the engine's own. Only the engine's own goes with it. */
  readonly logPath?: string;
  /** What the door must echo and the engine does not use. */
  readonly apiData?: unknown;
}

interface PrivateSandboxRequest {
  readonly network?: Exclude<SandboxNetwork, 'cni'>;
  readonly hostname?: string;
}

/** `container`: its own; `sandbox`: one that the sandbox's containers share; `host`: the host's; `target`: another's. */
export type PidNamespace = 'container' | 'sandbox' | 'host' | { readonly target: string };

/** Groups beside the user's own. */
export interface SupplementalGroups {
  readonly gids: readonly number[];
  /** Only these, and not those that the image's /etc/group has the user in. */
  readonly isStrict?: boolean;
}

export type MountRequest =
  | {
      readonly kind: 'bind';
      readonly source: string;
      readonly target: string;
      readonly isReadonly?: boolean;
      /** What is mounted below it can be written although it is read-only itself. */
      readonly isWritableBelow?: boolean;
      /** A folder is made where there is nothing. */
      readonly makesSource?: boolean;
      readonly propagation?: 'private' | 'rprivate' | 'slave' | 'rslave' | 'shared' | 'rshared';
      /** Whose its files are in a container with users of its own; left out: whose they are to the host. */
      readonly users?: IdMappings;
    }
  | {
      /** The content of an image, which nobody can write to. */
      readonly kind: 'image';
      /** Its name or id; in a spec its id. */
      readonly image: string;
      readonly target: string;
      /** Only this of it; in a spec absolute, and with no links in it. */
      readonly subPath?: string;
    }
  | { readonly kind: 'tmpfs'; readonly target: string; readonly sizeBytes?: number; readonly isReadonly?: boolean };

/** The limits of a container; what is left out is not limited. */
export interface Resources {
  readonly memoryBytes?: number;
  /** Memory and swap together, as the kernel's v1 file and Docker count it; -1: unlimited. */
  readonly memorySwapBytes?: number;
  /** Processors' worth of time: 0.5 is half of one. */
  readonly cpus?: number;
  /** Or the same in the kernel's words, in µs; a quota of -1 is none. */
  readonly cpuQuotaUs?: number;
  readonly cpuPeriodUs?: number;
  readonly cpuShares?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly pids?: number;
  /** By page size as the kernel writes it (`2MB`), in bytes. */
  readonly hugepageBytes?: Readonly<Record<string, number>>;
  /** Files of cgroup v2 and what is written to them. */
  readonly unified?: Readonly<Record<string, string>>;
}

export interface SecurityRequest {
  readonly isPrivileged?: boolean;
  /** With or without `CAP_`; `ALL` stands for all. */
  readonly addCapabilities?: readonly string[];
  readonly dropCapabilities?: readonly string[];
  readonly isReadonlyRootfs?: boolean;
  readonly noNewPrivileges?: boolean;
  /** Or the file of a profile, as the OCI runtime-spec has it under `linux.seccomp`. */
  readonly seccomp?: 'default' | 'unconfined' | { readonly file: string };
  /** Instead of the usual ones. */
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
}

export interface Rlimit {
  /** `nofile`, `nproc`, … as in setrlimit(2), lower case without `RLIMIT_`. */
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** Kept and shown; acting on it comes with the Docker door. */
interface RestartPolicy {
  readonly when: 'no' | 'always' | 'on-failure' | 'unless-stopped';
  readonly maxRetries?: number;
}

/** The user that a process runs as, by number. */
export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  /** From the image's passwd, for `HOME`. */
  readonly home: string;
}

/** What will be run: the request with everything resolved. Its limits may change later, the rest never does. */
export interface ContainerSpec {
  readonly id: string;
  readonly name: string;
  readonly sandboxId: string;
  /** `infra`: the engine's own, the first process of a PID namespace that the sandbox's containers share. */
  readonly role: 'workload' | 'infra';
  readonly handler: string;
  readonly image: {
    /** As it was asked for. */
    readonly name: string;
    /** `sha256:<digest of its config>`. */
    readonly id: string;
  };
  readonly process: {
    readonly args: readonly string[];
    readonly env: readonly string[];
    readonly cwd: string;
    /** As asked for or as the image says; empty: root. */
    readonly userName: string;
    readonly user: ProcessUser;
    readonly hasTerminal: boolean;
    readonly hasStdin: boolean;
    /** Its input ends with the first client that was attached to it. */
    readonly isStdinOnce: boolean;
  };
  readonly pid: PidNamespace;
  /** Bind sources are absolute, exist, and have no links in them. */
  readonly mounts: readonly MountRequest[];
  readonly resources: Resources;
  readonly security: SecurityRequest;
  readonly rlimits: readonly Rlimit[];
  readonly oomScoreAdj: number;
  readonly shmSizeBytes: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly stopSignal: SignalName;
  readonly stopGraceMs: number;
  readonly restart: RestartPolicy;
  readonly logPath: string;
  /** The cgroup of its own. */
  readonly cgroupPath: string;
  readonly apiData: unknown;
}

/** The ids of the images that the container sees as volumes, in the order of its mounts. */
export function imageVolumesOf(spec: ContainerSpec): string[] {
  return spec.mounts.flatMap((mount) => (mount.kind === 'image' ? [mount.image] : []));
}

/** Whether the processes of the container end with its PID 1, because that is the init of a namespace of its own. */
export function hasOwnPidNamespace(spec: ContainerSpec): boolean {
  return spec.pid === 'container';
}
