import { BerthError } from '../../base/errors.ts';
import { parseSignal } from '../../base/signals.ts';
import type { Image, Resolved } from '../ports.ts';
import type { EngineSettings } from '../settings.ts';
import type { ContainerRequest, ContainerSpec, MountRequest, Resources } from './spec.ts';

/** What is decided before anything of the container is on the host. */
export interface SpecDraft {
  readonly id: string;
  readonly name: string;
  readonly sandboxId: string;
  readonly request: ContainerRequest;
  readonly image: Image;
  readonly settings: EngineSettings;
}

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const SHM_BYTES = 64 << 20;
const LARGEST_OOM_SCORE_ADJ = 1_000;
/** As with other engines: with less a runtime cannot even make the container. */
const LEAST_MEMORY_BYTES = 6 << 20;
const CPU_LIST = /^\d+(-\d+)?(,\d+(-\d+)?)*$/;
/** @see hostname(7) */
const HOSTNAME = /^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,61}[a-zA-Z0-9])?$/;
const RUNTIMES_OWN = /^run\.oci\./;

/** @throws BerthError InvalidArgument naming the first field that can never work */
export function checkRequest(request: ContainerRequest): void {
  if (request.name !== undefined && !NAME.test(request.name)) {
    refuse('name', `"${request.name}"`, 'letters, digits, "_", "." and "-", starting with a letter or a digit');
  }
  for (const [index, entry] of (request.env ?? []).entries()) {
    if (!/^[^=\0]+=[^\0]*$/.test(entry)) refuse(`env[${index}]`, `"${entry}"`, 'KEY=value');
  }
  if (request.cwd !== undefined && !request.cwd.startsWith('/')) refuse('cwd', `"${request.cwd}"`, 'an absolute path');
  for (const field of ['entrypoint', 'command'] as const) {
    if ((request[field] ?? []).some((word) => word.includes('\0'))) refuse(field, 'with a zero byte', 'text');
  }
  for (const key of Object.keys(request.annotations ?? {})) {
    if (RUNTIMES_OWN.test(key)) refuse('annotations', `"${key}"`, "without the runtime's own, which steer it");
  }
  checkResources(request.resources ?? {});
  checkSandbox(request);
  if (request.shmSizeBytes === 0) refuse('shmSizeBytes', '0', 'at least 1');
  for (const [index, mount] of (request.mounts ?? []).entries()) checkMount(mount, `mounts[${index}]`);
  const score = request.oomScoreAdj ?? 0;
  if (!Number.isInteger(score) || Math.abs(score) > LARGEST_OOM_SCORE_ADJ) {
    refuse('oomScoreAdj', String(score), 'a whole number from -1000 to 1000');
  }
  if (request.stopSignal !== undefined) parseSignal(request.stopSignal, 'stopSignal');
  const grace = request.stopGraceMs ?? 0;
  if (Number.isNaN(grace) || grace < 0) refuse('stopGraceMs', String(grace), 'a number of ms that is not negative');
}

function checkMount(mount: MountRequest, field: string): void {
  if (!mount.target.startsWith('/')) refuse(`${field}.target`, `"${mount.target}"`, 'an absolute path');
  if (mount.target.split('/').includes('..')) refuse(`${field}.target`, `"${mount.target}"`, 'a path without ".."');
  if (!/[^/.]/.test(mount.target)) refuse(`${field}.target`, `"${mount.target}"`, 'a path below /');
  if (mount.target.includes('\0')) refuse(`${field}.target`, 'with a zero byte', 'text');
  if (mount.kind === 'bind' && !/^\/[^\0]*$/.test(mount.source)) {
    refuse(`${field}.source`, `"${mount.source}"`, 'an absolute path');
  }
  if (mount.kind === 'tmpfs' && mount.sizeBytes === 0) refuse(`${field}.sizeBytes`, '0', 'at least 1');
}

function checkResources({ memoryBytes, memorySwapBytes = -1, cpusetCpus }: Resources): void {
  if (memoryBytes !== undefined && memoryBytes < LEAST_MEMORY_BYTES) {
    refuse('resources.memoryBytes', String(memoryBytes), `at least ${LEAST_MEMORY_BYTES}, or nothing starts in it`);
  }
  if (memorySwapBytes !== -1 && memorySwapBytes < (memoryBytes ?? Infinity)) {
    const wanted = 'memory and swap together: at least resources.memoryBytes, which has to be there';
    refuse('resources.memorySwapBytes', String(memorySwapBytes), wanted);
  }
  if (cpusetCpus !== undefined && !CPU_LIST.test(cpusetCpus)) {
    refuse('resources.cpusetCpus', `"${cpusetCpus}"`, 'a list like 0-1,3');
  }
}

function checkSandbox({ sandbox }: ContainerRequest): void {
  const hostname = sandbox?.hostname;
  if (hostname === undefined) return;
  if (sandbox?.network === 'host')
    refuse('sandbox.hostname', `"${hostname}"`, "left out: the host's network has the host's name");
  if (!HOSTNAME.test(hostname)) refuse('sandbox.hostname', `"${hostname}"`, 'at most 63 letters, digits, "-" and "."');
}

function refuse(field: string, found: string, wanted: string): never {
  throw new BerthError('InvalidArgument', `Cannot create container: ${field} is ${found}, must be ${wanted}`, {
    field,
  });
}

/**
 * Puts request, image and settings together.
 * @throws BerthError InvalidArgument when neither of them says what to run, or the image's stop signal is unknown
 */
export function resolveSpec(draft: SpecDraft, resolved: Resolved): ContainerSpec {
  const { id, name, request, image, settings } = draft;
  return {
    id,
    name,
    sandboxId: draft.sandboxId,
    handler: request.handler ?? settings.defaultHandler,
    image: { name: request.image, id: image.id },
    process: {
      args: resolveArgs(request, image),
      env: resolveEnv(request, image, resolved.user.home),
      cwd: request.cwd ?? (image.config.cwd === '' ? '/' : image.config.cwd),
      userName: userNameOf(request, image),
      user: resolved.user,
      hasTerminal: request.hasTerminal ?? false,
      hasStdin: request.hasStdin ?? false,
    },
    pid: request.pid ?? 'container',
    mounts: resolved.mounts,
    resources: request.resources ?? {},
    security: request.security ?? {},
    rlimits: request.rlimits ?? [],
    oomScoreAdj: request.oomScoreAdj ?? 0,
    shmSizeBytes: request.shmSizeBytes ?? SHM_BYTES,
    labels: { ...image.config.labels, ...request.labels },
    annotations: request.annotations ?? {},
    stopSignal: parseSignal(request.stopSignal ?? image.config.stopSignal ?? 'SIGTERM', 'stopSignal'),
    stopGraceMs: request.stopGraceMs ?? settings.stopGraceMs,
    restart: request.restart ?? { when: 'no' },
    logPath: `${settings.logFolder}/${id}/container.log`,
    apiData: request.apiData,
  };
}

export function userNameOf(request: ContainerRequest, image: Image): string {
  return request.user ?? image.config.user;
}

/**
 * A request's entrypoint replaces the image's entrypoint and command; a request's command only the command.
 * @see OCI image-spec config.md and the Docker API's create: both words of a container's command line
 */
function resolveArgs(request: ContainerRequest, image: Image): readonly string[] {
  const entrypoint = request.entrypoint ?? image.config.entrypoint;
  const command = request.command ?? (request.entrypoint === undefined ? image.config.command : []);
  const args = [...entrypoint, ...command];
  if (args.length > 0 && args[0] !== '') return args;
  throw new BerthError(
    'InvalidArgument',
    `Cannot create container: neither the request nor image "${request.image}" says what to run`,
    { field: 'command' },
  );
}

/** PATH, HOME and, with a terminal, TERM are there whatever the image says; the request's values win. */
function resolveEnv(request: ContainerRequest, image: Image, home: string): string[] {
  const defaults = [`PATH=${DEFAULT_PATH}`, `HOME=${home}`, ...(request.hasTerminal === true ? ['TERM=xterm'] : [])];
  const values = new Map<string, string>();
  for (const entry of [...defaults, ...image.config.env, ...(request.env ?? [])]) {
    const end = entry.indexOf('=');
    if (end > 0) values.set(entry.slice(0, end), entry.slice(end + 1));
  }
  return [...values].map(([key, value]) => `${key}=${value}`);
}
