import { BerthError } from '../../base/errors.ts';
import type { IdMapping } from '../../base/id-mappings.ts';
import { outsideOf } from '../../base/id-mappings.ts';
import { shortId } from '../../base/ids.ts';
import { isHostname, isName } from '../names.ts';
import type { EngineSettings } from '../settings.ts';
import type { PortMapping, SandboxRequest, SandboxSpec } from './state.ts';

const LARGEST_PORT = 65_535;
/** The kernel's names are words and numbers between dots; a slash would be another file. */
const SYSCTL = /^[a-z0-9_]+(\.[a-zA-Z0-9_-]+)+$/;
const CGROUP = /^\/[^\0]*$/;

/**
 * Puts request and settings together.
 * @throws BerthError InvalidArgument naming the first field that can never work
 */
export function resolveSandboxSpec(id: string, request: SandboxRequest, settings: EngineSettings): SandboxSpec {
  checkSandboxRequest(request);
  const { name, network, users, pod, dns, logFolder } = request;
  const cgroupParent = request.cgroupParent === undefined ? undefined : cleanPath(request.cgroupParent);
  return {
    id,
    name,
    network,
    ipc: request.ipc ?? 'sandbox',
    hostname: request.hostname ?? shortId(id),
    ...(users === undefined ? {} : { users }),
    ...(pod === undefined ? {} : { pod }),
    ...(dns === undefined ? {} : { dns }),
    ports: request.ports ?? [],
    sysctls: request.sysctls ?? {},
    ...(cgroupParent === undefined ? {} : { cgroupParent }),
    ...(logFolder === undefined ? {} : { logFolder }),
    handler: request.handler ?? settings.defaultHandler,
    labels: request.labels ?? {},
    annotations: request.annotations ?? {},
    apiData: request.apiData,
  };
}

/** Kubelets write a path in several ways. */
function cleanPath(path: string): string {
  return `/${path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/')}`;
}

function checkSandboxRequest(request: SandboxRequest): void {
  const { name, network, hostname, cgroupParent, logFolder } = request;
  if (!isName(name))
    refuse('name', `"${name}"`, 'letters, digits, "_", "." and "-", starting with a letter or a digit');
  if (hostname !== undefined && !isHostname(hostname)) {
    refuse('hostname', `"${hostname}"`, 'at most 63 letters, digits, "-" and "."');
  }
  if (cgroupParent !== undefined && (!CGROUP.test(cgroupParent) || cgroupParent.split('/').includes('..'))) {
    refuse('cgroupParent', `"${cgroupParent}"`, 'an absolute path of a cgroup without ".."');
  }
  if (logFolder !== undefined && !/^\/[^\0]*$/.test(logFolder)) {
    refuse('logFolder', `"${logFolder}"`, 'an absolute path');
  }
  checkUsers(request);
  for (const [index, port] of (request.ports ?? []).entries()) checkPort(port, `ports[${index}]`);
  if (network === 'host' && (request.ports ?? []).some(({ hostPort, containerPort }) => hostPort !== containerPort)) {
    refuse('ports', 'different on the host', "left out or the same: the sandbox is in the host's network");
  }
  for (const key of Object.keys(request.sysctls ?? {})) checkSysctl(key, request);
  for (const server of request.dns?.servers ?? []) {
    if (!/^[0-9a-fA-F.:%\w]+$/.test(server)) refuse('dns.servers', `"${server}"`, 'IP addresses');
  }
}

/** The kernel keeps the last one for "none". */
const IDS = 2 ** 32 - 1;

/** What the kernel takes, and what containers cannot do without: a root of their own. */
function checkUsers({ users, ipc }: SandboxRequest): void {
  if (users === undefined) return;
  if (ipc === 'host') refuse('ipc', "the host's", 'left out: the sandbox has users of its own');
  for (const kind of ['uids', 'gids'] as const) {
    for (const [index, mapping] of users[kind].entries()) checkMapping(mapping, `users.${kind}[${index}]`);
    if (outsideOf(users[kind], 0) === undefined) refuse(`users.${kind}`, 'without id 0', 'with one for root');
  }
}

function checkMapping({ inside, outside, size }: IdMapping, field: string): void {
  const isWhole = [inside, outside, size].every((number) => Number.isInteger(number) && number >= 0);
  if (isWhole && size > 0 && Math.max(inside, outside) + size <= IDS) return;
  refuse(field, `${inside} ${outside} ${size}`, `at least one id, none of them above ${IDS - 1}`);
}

function checkPort({ containerPort, hostPort }: PortMapping, field: string): void {
  for (const [name, port] of Object.entries({ containerPort, hostPort })) {
    if (Number.isInteger(port) && port >= 1 && port <= LARGEST_PORT) continue;
    refuse(`${field}.${name}`, String(port), `a port from 1 to ${LARGEST_PORT}`);
  }
}

/** One of a namespace that is the host's would be set for the whole host. */
function checkSysctl(key: string, { network, ipc }: SandboxRequest): void {
  const field = `sysctls["${key}"]`;
  if (!SYSCTL.test(key)) refuse(field, 'no name of a kernel setting', 'like "net.ipv4.ip_forward"');
  if (key.startsWith('net.') && network === 'host') {
    refuse(field, 'set', "left out: the sandbox is in the host's network");
  }
  const isOfIpc = /^(kernel\.(shm|msg|sem)|fs\.mqueue\.)/.test(key);
  if (isOfIpc && ipc === 'host') refuse(field, 'set', "left out: the sandbox is in the host's IPC namespace");
  if (!key.startsWith('net.') && !isOfIpc) {
    refuse(field, 'set', 'one that belongs to a namespace: net.*, kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.*');
  }
}

function refuse(field: string, found: string, wanted: string): never {
  throw new BerthError('InvalidArgument', `Cannot create sandbox: ${field} is ${found}, must be ${wanted}`, { field });
}
