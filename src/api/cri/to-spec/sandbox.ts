import { posix } from 'node:path';
import type {
  DnsConfig,
  PodIdentity,
  PortMapping,
  SandboxNetwork,
  SandboxRequest,
} from '../../../engine/sandbox/state.ts';
import { NamespaceMode, Protocol } from '../../../gen/cri/api.ts';
import type {
  DNSConfig,
  LinuxContainerResources,
  LinuxSandboxSecurityContext,
  NamespaceOption,
  PodSandboxConfig,
  PodSandboxMetadata,
  PortMapping as CriPortMapping,
  RunPodSandboxRequest,
} from '../../../gen/cri/api.ts';
import { asSaved } from '../api-data.ts';
import type { SandboxData } from '../api-data.ts';
import { invalid } from '../errors.ts';
import { given, sorted, textOrNothing } from '../given.ts';
import { sandboxName } from '../names.ts';
import { resourcesOf } from './resources.ts';
import { modeName, podUsers } from './users.ts';

const VERB = 'create sandbox';
const HIGHEST_PORT = 65_535;

/** @throws BerthError InvalidArgument naming the field; Unsupported */
export function sandboxRequest({ config, runtimeHandler }: RunPodSandboxRequest): SandboxRequest {
  if (config === undefined) throw invalid(VERB, 'config', 'is missing');
  const pod = podIdentity(config.metadata);
  const security = config.linux?.securityContext;
  checkSecurity(security);
  const network = networkOf(security?.namespaceOptions);
  return given({
    name: sandboxName(pod),
    pod,
    network,
    ipc: ipcOf(security?.namespaceOptions),
    users: podUsers(security?.namespaceOptions, 'config.linux.security_context'),
    hostname: network === 'host' ? undefined : textOrNothing(config.hostname),
    dns: dnsOf(config.dnsConfig),
    // a kubelet names the ports of a pod in the host's network too, and they are the host's already
    ports: network === 'host' ? [] : portsOf(config.portMappings),
    sysctls: sorted(config.linux?.sysctls ?? {}),
    cgroupParent: cgroupParentOf(config),
    logFolder: textOrNothing(config.logDirectory),
    handler: textOrNothing(runtimeHandler),
    labels: sorted(config.labels),
    annotations: sorted(config.annotations),
    apiData: dataOf(config, runtimeHandler),
  });
}

function podIdentity(metadata: PodSandboxMetadata | undefined): PodIdentity {
  for (const field of ['name', 'namespace', 'uid'] as const) {
    if ((metadata?.[field] ?? '') === '') throw invalid(VERB, `config.metadata.${field}`, 'is empty');
  }
  const { name = '', namespace = '', uid = '', attempt = 0 } = metadata ?? {};
  return { name, namespace, uid, attempt };
}

/** Of what holds for processes of the sandbox itself only the rule that is written down is kept: it has none. */
function checkSecurity(security: LinuxSandboxSecurityContext | undefined): void {
  if (security?.runAsGroup !== undefined && security.runAsUser === undefined) {
    throw invalid(VERB, 'config.linux.security_context.run_as_group', 'is set without run_as_user');
  }
}

function networkOf(options: NamespaceOption | undefined): SandboxNetwork {
  return isHost('network', options?.network) ? 'host' : 'cni';
}

function ipcOf(options: NamespaceOption | undefined): 'sandbox' | 'host' {
  return isHost('ipc', options?.ipc) ? 'host' : 'sandbox';
}

function isHost(kind: 'network' | 'ipc', mode: NamespaceMode = NamespaceMode.POD): boolean {
  if (mode === NamespaceMode.NODE) return true;
  if (mode === NamespaceMode.POD) return false;
  const field = `config.linux.security_context.namespace_options.${kind}`;
  throw invalid(VERB, field, `is ${modeName(mode)}, must be POD or NODE`);
}

function dnsOf(dns: DNSConfig | undefined): DnsConfig | undefined {
  if (dns === undefined) return undefined;
  for (const [kind, words] of Object.entries({ servers: dns.servers, searches: dns.searches, options: dns.options })) {
    const odd = words.find((word) => /\s/.test(word) || word === '');
    if (odd !== undefined)
      throw invalid(VERB, `config.dns_config.${kind}`, `has "${odd}", must be words without blanks`);
  }
  return { servers: dns.servers, searches: dns.searches, options: dns.options };
}

/** A mapping without a host port only says what the pod listens on. @see cri-api PortMapping.host_port */
function portsOf(mappings: readonly CriPortMapping[]): readonly PortMapping[] {
  return mappings.flatMap((mapping, index) => {
    const { hostPort, containerPort, hostIp } = mapping;
    if (hostPort === 0) return [];
    const field = `config.port_mappings[${index}]`;
    checkPort(`${field}.host_port`, hostPort);
    checkPort(`${field}.container_port`, containerPort);
    const protocol = protocolOf(mapping.protocol, `${field}.protocol`);
    return [given({ protocol, containerPort, hostPort, hostIp: textOrNothing(hostIp) })];
  });
}

function checkPort(field: string, port: number): void {
  if (port < 1 || port > HIGHEST_PORT) throw invalid(VERB, field, `is ${port}, must be from 1 to ${HIGHEST_PORT}`);
}

function protocolOf(protocol: Protocol, field: string): PortMapping['protocol'] {
  if (protocol === Protocol.TCP) return 'tcp';
  if (protocol === Protocol.UDP) return 'udp';
  if (protocol === Protocol.SCTP) return 'sctp';
  throw invalid(VERB, field, `is ${protocol}, must be TCP, UDP or SCTP`);
}

/** In the style of cgroupfs, as RuntimeConfig tells the kubelet. */
function cgroupParentOf({ linux }: PodSandboxConfig): string | undefined {
  const parent = linux?.cgroupParent ?? '';
  if (parent === '') return undefined;
  if (parent.split('/').includes('..')) {
    throw invalid(VERB, 'config.linux.cgroup_parent', `is "${parent}", must have no ".." in it`);
  }
  return posix.resolve('/', parent);
}

function dataOf({ linux }: PodSandboxConfig, runtimeHandler: string): SandboxData {
  const { namespaceOptions: namespaces, privileged: isPrivileged = false } = linux?.securityContext ?? {};
  return asSaved({ door: 'cri', isPrivileged, runtimeHandler, ...given({ namespaces, ...podResources(linux) }) });
}

interface PodLimits {
  readonly resources?: LinuxContainerResources | undefined;
  readonly overhead?: LinuxContainerResources | undefined;
}

export function podResources({ resources, overhead }: PodLimits = {}): Pick<SandboxData, 'resources' | 'overhead'> {
  return given({
    resources: resources && resourcesOf(resources),
    overhead: overhead && resourcesOf(overhead),
  });
}
