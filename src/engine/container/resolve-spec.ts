import { BerthError } from '../../base/errors.ts';
import { parseSignal } from '../../base/signals.ts';
import type { Image, Resolved } from '../ports.ts';
import { isHostname, isName } from '../names.ts';
import type { SandboxSpec } from '../sandbox/state.ts';
import type { EngineSettings } from '../settings.ts';
import { checkResources } from './resources.ts';
import type { ContainerRequest, ContainerSpec, MountRequest } from './spec.ts';

/** What is decided before anything of the container is on the host. */
export interface SpecDraft {
  readonly id: string;
  readonly name: string;
  readonly sandboxId: string;
  readonly request: ContainerRequest;
  readonly image: Image;
  readonly settings: EngineSettings;
  readonly handler: string;
  /** The pod that it goes into. */
  readonly sandbox: SandboxSpec | undefined;
}

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const SHM_BYTES = 64 << 20;
const LARGEST_OOM_SCORE_ADJ = 1_000;
/** The kernel keeps the last one for "none". */
const LARGEST_ID = 2 ** 32 - 1;

const RUNTIMES_OWN = /^run\.oci\./;

/** @throws BerthError InvalidArgument naming the first field that can never work */
export function checkRequest(request: ContainerRequest): void {
  if (request.name !== undefined && !isName(request.name)) {
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
  checkResources(request.resources ?? {}, 'create');
  checkSandbox(request);
  checkPid(request);
  checkGroups(request);
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
  if (mount.kind === 'image' && (mount.subPath ?? '').includes('\0'))
    refuse(`${field}.subPath`, 'with a zero byte', 'text');
  if (mount.kind === 'tmpfs' && mount.sizeBytes === 0) refuse(`${field}.sizeBytes`, '0', 'at least 1');
}

function checkGroups({ supplementalGroups }: ContainerRequest): void {
  for (const gid of supplementalGroups?.gids ?? []) {
    if (Number.isInteger(gid) && gid >= 0 && gid < LARGEST_ID) continue;
    refuse('supplementalGroups.gids', String(gid), `a number from 0 to ${LARGEST_ID - 1}`);
  }
}

/** What is shared needs somebody to share it with. */
function checkPid({ pid = 'container', sandbox }: ContainerRequest): void {
  const isInPod = sandbox !== undefined && 'id' in sandbox;
  if (isInPod || pid === 'container' || pid === 'host') return;
  refuse('pid', "another container's", '"container" or "host" outside of a pod');
}

function checkSandbox({ sandbox }: ContainerRequest): void {
  if (sandbox === undefined || 'id' in sandbox || sandbox.hostname === undefined) return;
  const { hostname, network } = sandbox;
  if (network === 'host')
    refuse('sandbox.hostname', `"${hostname}"`, "left out: the host's network has the host's name");
  if (!isHostname(hostname)) refuse('sandbox.hostname', `"${hostname}"`, 'at most 63 letters, digits, "-" and "."');
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
  const { id, name, request, image, settings, handler, sandbox } = draft;
  checkUsers(request, sandbox);
  return {
    id,
    name,
    sandboxId: draft.sandboxId,
    role: 'workload',
    handler,
    image: { name: request.image, id: image.id },
    process: {
      args: resolveArgs(request, image),
      env: resolveEnv(request, image, resolved.user.home),
      cwd: request.cwd ?? (image.config.cwd === '' ? '/' : image.config.cwd),
      userName: userNameOf(request, image),
      user: resolved.user,
      hasTerminal: request.hasTerminal ?? false,
      hasStdin: request.hasStdin ?? false,
      isStdinOnce: request.isStdinOnce ?? false,
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
    logPath: logPathOf(draft),
    cgroupPath: `${(sandbox?.cgroupParent ?? settings.cgroupParent).replace(/\/$/, '')}/${id}`,
    apiData: request.apiData,
  };
}

/** To have its own users and the host's processes at once is more than the kernel gives. */
function checkUsers({ pid, mounts = [] }: ContainerRequest, sandbox: SandboxSpec | undefined): void {
  if (sandbox?.users !== undefined) {
    if (pid === 'host') refuse('pid', "the host's", 'another: its sandbox has users of its own');
    return;
  }
  const index = mounts.findIndex((mount) => mount.kind === 'bind' && mount.users !== undefined);
  if (index !== -1) refuse(`mounts[${index}].users`, 'set', "left out: its sandbox has the host's users");
}

function logPathOf({ id, request: { logPath }, sandbox, settings }: SpecDraft): string {
  if (logPath === undefined || logPath === '') return `${settings.logFolder}/${id}/container.log`;
  if (logPath.startsWith('/')) return logPath;
  if (sandbox?.logFolder === undefined) refuse('logPath', `"${logPath}"`, 'absolute: its sandbox has no log folder');
  if (logPath.split('/').includes('..')) refuse('logPath', `"${logPath}"`, 'a path without ".."');
  return `${sandbox.logFolder.replace(/\/+$/, '')}/${logPath}`;
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
