import { posix } from 'node:path';
import type { ContainerRequest } from '../../../engine/container/spec.ts';
import type { Image } from '../../../engine/ports.ts';
import type { SandboxRow } from '../../../engine/sandbox/state.ts';
import { Signal } from '../../../gen/cri/api.ts';
import type { ContainerConfig, CreateContainerRequest, ImageSpec, KeyValue } from '../../../gen/cri/api.ts';
import { asSaved } from '../api-data.ts';
import type { ContainerData } from '../api-data.ts';
import { invalid, unsupported } from '../errors.ts';
import { given, listOrNothing, sorted, textOrNothing } from '../given.ts';
import { containerName } from '../names.ts';
import { stopSignalName } from '../signals.ts';
import { mountsOf } from './mounts.ts';
import { pidNamespaceOf } from './pid-namespace.ts';
import { resourcesOf } from './resources.ts';
import { securityOf } from './security.ts';
import { supplementalGroupsOf, userOf } from './user.ts';
import { checkContainerUsers } from './users.ts';

const VERB = 'create container';

/** What the request refers to. */
export interface ContainerContext {
  readonly sandbox: SandboxRow;
  /** @throws BerthError NotFound */
  readonly findImage: (name: string) => Image;
  /** The full id of a container that the request names. @throws BerthError NotFound */
  readonly findTarget: (id: string) => string;
}

/** @throws BerthError InvalidArgument naming the field; Unsupported; NotFound */
export function containerRequest(asked: CreateContainerRequest, context: ContainerContext): ContainerRequest {
  const config = checkedConfig(asked);
  const { sandbox } = context;
  const { linux } = config;
  const security = linux?.securityContext;
  const { metadata = { name: '', attempt: 0 }, image: { image = '' } = {} } = config;
  checkContainerUsers(security?.namespaceOptions, sandbox);
  return given({
    name: sandbox.spec.pod === undefined ? undefined : containerName(metadata, sandbox.spec.pod),
    sandbox: { id: sandbox.spec.id },
    image,
    entrypoint: listOrNothing(config.command),
    command: listOrNothing(config.args),
    env: [...hostnameEnv(sandbox, context.findImage(image)), ...config.envs.map(envEntry)],
    cwd: textOrNothing(config.workingDir),
    user: userOf(security),
    supplementalGroups: supplementalGroupsOf(security),
    hasTerminal: config.tty,
    hasStdin: config.stdin,
    isStdinOnce: config.stdinOnce,
    mounts: mountsOf(config.mounts),
    resources: resourcesOf(linux?.resources),
    oomScoreAdj: Number(linux?.resources?.oomScoreAdj ?? 0),
    security: securityOf(security, sandbox),
    pid: pidNamespaceOf(security?.namespaceOptions, sandbox, context.findTarget),
    labels: sorted(config.labels),
    annotations: steering(sorted(config.annotations)),
    stopSignal: stopSignalOf(config),
    logPath: logPathOf(asked, sandbox),
    apiData: dataOf(config, context),
  });
}

function checkedConfig({ config }: CreateContainerRequest): ContainerConfig {
  if (config === undefined) throw invalid(VERB, 'config', 'is missing');
  if ((config.metadata?.name ?? '') === '') throw invalid(VERB, 'config.metadata.name', 'is empty');
  if ((config.image?.image ?? '') === '') throw invalid(VERB, 'config.image.image', 'is empty');
  if (config.devices.length > 0)
    throw unsupported(VERB, 'config.devices', 'asks for devices, which berth does not give yet');
  if (config.CDIDevices.length > 0) {
    const names = config.CDIDevices.map(({ name }) => name).join(', ');
    throw unsupported(VERB, 'config.CDI_devices', `asks for ${names}, and berth does not give devices yet`);
  }
  return config;
}

/** Programs look for it. The image's own value wins, as anything does that it sets. */
function hostnameEnv({ spec: { hostname } }: SandboxRow, image: Image): string[] {
  const isSet = image.config.env.some((entry) => entry.startsWith('HOSTNAME='));
  return hostname === '' || isSet ? [] : [`HOSTNAME=${hostname}`];
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function envEntry({ key, value }: KeyValue, index: number): string {
  try {
    return `${key}=${decoder.decode(value)}`;
  } catch (cause) {
    throw invalid(VERB, `config.envs[${index}].value`, `of "${key}" is no UTF-8 text`, cause);
  }
}

/** Annotations are kept and given back as they are; those that would give the OCI runtime orders stay out of its sight. */
function steering(annotations: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => !key.startsWith('run.oci.')));
}

function stopSignalOf({ stopSignal }: ContainerConfig): string | undefined {
  if (stopSignal === Signal.RUNTIME_DEFAULT) return undefined;
  const name = stopSignalName(stopSignal);
  if (name === undefined) throw invalid(VERB, 'config.stop_signal', `is ${stopSignal}, which is no signal of the CRI`);
  return name;
}

/** Without both parts the log is berth's own affair. */
function logPathOf({ config, sandboxConfig }: CreateContainerRequest, { spec }: SandboxRow): string | undefined {
  const folder = textOrNothing(sandboxConfig?.logDirectory ?? '') ?? spec.logFolder;
  const file = config?.logPath ?? '';
  return folder === undefined || file === '' ? undefined : posix.join(folder, file);
}

const NO_IMAGE = { image: '', annotations: {}, userSpecifiedImage: '', runtimeHandler: '', imageRef: '' };

function dataOf(config: ContainerConfig, { findImage }: ContainerContext): ContainerData {
  const { metadata = { name: '', attempt: 0 }, image = NO_IMAGE } = config;
  const mounts = config.mounts.map((mount) =>
    mount.image === undefined ? mount : { ...mount, image: foundImage(mount.image, findImage) },
  );
  return asSaved({
    door: 'cri',
    metadata,
    image: { ...image, annotations: sorted(image.annotations) },
    labels: sorted(config.labels),
    annotations: sorted(config.annotations),
    mounts,
  });
}

/** With the id that it has now: what is mounted is that, whatever becomes of the name. @see cri-api ImageSpec.image_ref */
function foundImage(image: ImageSpec, findImage: ContainerContext['findImage']): ImageSpec {
  return { ...image, annotations: sorted(image.annotations), imageRef: findImage(image.image).id };
}
