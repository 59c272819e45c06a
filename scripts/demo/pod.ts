import { promisify } from 'node:util';
import { credentials } from '@grpc/grpc-js';
import {
  ContainerConfig,
  ImageSpec,
  LinuxContainerConfig,
  LinuxContainerSecurityContext,
  LinuxPodSandboxConfig,
  LinuxSandboxSecurityContext,
  NamespaceMode,
  NamespaceOption,
  PodSandboxConfig,
  RuntimeServiceClient,
} from '../../src/gen/cri/api.ts';
import { say, show } from './stage.ts';

const SOCKET = '/run/berth/cri.sock';
const PROGRAM = 'trap "echo SIGTERM came, I go; exit 0" TERM; echo at work; while :; do sleep 0.1; done';
const HOSTS = 'while read address name; do echo "$address is $name"; done </etc/hosts';
const GRACE_S = 5n;

/** What a kubelet does with a pod, asked over the CRI. */
export async function showPod(image: string): Promise<void> {
  const kubelet = new RuntimeServiceClient(`unix:${SOCKET}`, credentials.createInsecure());
  try {
    await live(kubelet, image);
  } finally {
    kubelet.close();
  }
}

async function live(kubelet: RuntimeServiceClient, image: string): Promise<void> {
  const config = podConfig();
  const { podSandboxId } = await asked<{ podSandboxId: string }>(kubelet, 'runPodSandbox', { config });
  const { containerId } = await asked<{ containerId: string }>(kubelet, 'createContainer', {
    podSandboxId,
    sandboxConfig: config,
    config: containerConfig(image),
  });
  await asked(kubelet, 'startContainer', { containerId });
  await show('pods');
  const exec = { containerId, cmd: ['sh', '-c', HOSTS], timeout: GRACE_S };
  const { stdout } = await asked<{ stdout: Buffer }>(kubelet, 'execSync', exec);
  for (const line of stdout.toString().trim().split('\n')) say(`    ${line}`);
  await asked(kubelet, 'stopContainer', { containerId, timeout: GRACE_S });
  await asked(kubelet, 'stopPodSandbox', { podSandboxId });
  await show('timeline', containerId);
  await asked(kubelet, 'removePodSandbox', { podSandboxId });
}

type Verb = Extract<keyof RuntimeServiceClient, string>;

/** Says which verb is asked, and how long its answer takes. */
async function asked<T>(kubelet: RuntimeServiceClient, verb: Verb, request: object): Promise<T> {
  const call = promisify(
    (kubelet[verb] as (request: object, done: (error: Error | null, answer: T) => void) => void).bind(kubelet),
  );
  const since = performance.now();
  const answer = await call({ ...EMPTY, ...request });
  say(`  # ${verb[0]?.toUpperCase() ?? ''}${verb.slice(1)}: ${Math.round(performance.now() - since)} ms`);
  return answer;
}

const EMPTY = { runtimeHandler: '' };

/** Fields that say nothing have the value that means so. */
function message<T extends object>(type: { decode(bytes: Uint8Array): T }, given: Partial<T>): T {
  return { ...type.decode(new Uint8Array()), ...given };
}

function podConfig(): PodSandboxConfig {
  const namespaceOptions = ownProcesses();
  return message(PodSandboxConfig, {
    metadata: { name: 'demo', namespace: 'default', uid: `npm-start-${process.pid}`, attempt: 0 },
    hostname: 'demo-pod',
    linux: message(LinuxPodSandboxConfig, {
      securityContext: message(LinuxSandboxSecurityContext, { namespaceOptions }),
    }),
  });
}

function containerConfig(image: string): ContainerConfig {
  const namespaceOptions = ownProcesses();
  return message(ContainerConfig, {
    metadata: { name: 'worker', attempt: 0 },
    image: message(ImageSpec, { image }),
    command: ['sh', '-c', PROGRAM],
    linux: message(LinuxContainerConfig, {
      securityContext: message(LinuxContainerSecurityContext, { namespaceOptions }),
    }),
  });
}

function ownProcesses(): NamespaceOption {
  return message(NamespaceOption, { pid: NamespaceMode.CONTAINER });
}
