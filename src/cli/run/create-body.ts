import { BerthError } from '../../base/errors.ts';
import type { CreateBody } from '../../client/index.ts';
import { environmentOf } from './environment.ts';
import type { ContainerFlags } from './options.ts';

/**
 * What the daemon is asked for. What nobody said is left out, so that the image's and the daemon's defaults hold.
 * @throws BerthError Unsupported for a terminal; InvalidArgument when a file cannot be read
 */
export function createBody(image: string, command: readonly string[], flags: ContainerFlags): CreateBody {
  if (flags.tty === true) {
    throw new BerthError('Unsupported', 'Cannot give it a terminal: -t is not there yet, leave it out');
  }
  const env = environmentOf(flags.envFile ?? [], flags.env ?? []);
  const mounts = [...(flags.volume ?? []), ...(flags.tmpfs ?? [])];
  return given({
    image,
    name: flags.name,
    entrypoint: entrypointOf(flags),
    command: command.length === 0 ? undefined : command,
    env: env.length === 0 ? undefined : env,
    cwd: flags.workdir,
    user: flags.user,
    hasStdin: flags.interactive,
    mounts: mounts.length === 0 ? undefined : mounts,
    resources: resourcesOf(flags),
    security: securityOf(flags),
    rlimits: flags.ulimit,
    oomScoreAdj: flags.oomScoreAdj,
    shmSizeBytes: flags.shmSize,
    pid: flags.pid,
    sandbox: unlessEmpty(given({ network: flags.network, hostname: flags.hostname })),
    labels: flags.label === undefined ? undefined : Object.fromEntries(flags.label),
    annotations: flags.annotation === undefined ? undefined : Object.fromEntries(flags.annotation),
    stopSignal: flags.stopSignal,
    stopGraceMs: flags.stopGrace,
    handler: flags.runtime,
  });
}

function entrypointOf({ entrypoint }: ContainerFlags): string[] | undefined {
  if (entrypoint === undefined) return undefined;
  return entrypoint === '' ? [] : [entrypoint];
}

function resourcesOf(flags: ContainerFlags): CreateBody['resources'] {
  return unlessEmpty(
    given({
      memoryBytes: flags.memory,
      memorySwapBytes: flags.memorySwap,
      cpus: flags.cpus,
      cpuShares: flags.cpuShares,
      cpusetCpus: flags.cpusetCpus,
      pids: flags.pidsLimit,
    }),
  );
}

function securityOf(flags: ContainerFlags): CreateBody['security'] {
  return unlessEmpty(
    given({
      isPrivileged: flags.privileged,
      addCapabilities: flags.capAdd,
      dropCapabilities: flags.capDrop,
      isReadonlyRootfs: flags.readOnly,
      noNewPrivileges: flags.newPrivileges ? undefined : true,
      seccomp: flags.seccomp,
    }),
  );
}

type Given<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** Without the keys that have no value. */
function given<T extends object>(values: T): Given<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Given<T>;
}

function unlessEmpty<T extends object>(values: T): T | undefined {
  return Object.keys(values).length === 0 ? undefined : values;
}
