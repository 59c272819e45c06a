import type { MountRequest } from '../../../engine/container/spec.ts';
import { MountPropagation } from '../../../gen/cri/api.ts';
import type { ImageSpec, Mount } from '../../../gen/cri/api.ts';
import { invalid } from '../errors.ts';
import { given, textOrNothing } from '../given.ts';
import { mountUsers } from './users.ts';

const VERB = 'create container';

type BindRequest = Extract<MountRequest, { kind: 'bind' }>;

/** @throws BerthError InvalidArgument naming the field */
export function mountsOf(mounts: readonly Mount[]): readonly MountRequest[] {
  return mounts.map((mount, index) => mountOf(mount, `config.mounts[${index}]`));
}

function mountOf(mount: Mount, field: string): MountRequest {
  if (mount.containerPath === '') throw invalid(VERB, `${field}.container_path`, 'is empty');
  return mount.image === undefined ? bindOf(mount, field) : imageMount(mount, mount.image, field);
}

/** Whose files they are is no question: they are the container's. @see cri-api Mount.image */
function imageMount(mount: Mount, { image }: ImageSpec, field: string): MountRequest {
  if (image === '') throw invalid(VERB, `${field}.image.image`, 'is empty');
  if (mount.hostPath !== '') throw invalid(VERB, `${field}.host_path`, 'is set beside an image');
  if (!mount.readonly) throw invalid(VERB, `${field}.readonly`, 'is false, but images cannot be written to');
  if (mount.propagation !== MountPropagation.PROPAGATION_PRIVATE) {
    throw invalid(VERB, `${field}.propagation`, 'is set for an image, must be PROPAGATION_PRIVATE');
  }
  return given({
    kind: 'image' as const,
    image,
    target: mount.containerPath,
    subPath: textOrNothing(mount.imageSubPath),
  });
}

function bindOf(mount: Mount, field: string): BindRequest {
  if (mount.hostPath === '') throw invalid(VERB, `${field}.host_path`, 'is empty');
  if (mount.recursiveReadOnly) checkRecursive(mount, field);
  return given({
    kind: 'bind' as const,
    source: mount.hostPath,
    target: mount.containerPath,
    isReadonly: mount.readonly,
    isWritableBelow: mount.readonly && !mount.recursiveReadOnly,
    // a volume of type hostPath that says no type has always been made where it is missing
    makesSource: true,
    propagation: propagationOf(mount.propagation, `${field}.propagation`),
    users: mountUsers(mount, `${field}.uid_mappings`),
  });
}

/** @see cri-api Mount.recursive_read_only */
function checkRecursive({ readonly, propagation }: Mount, field: string): void {
  if (!readonly) throw invalid(VERB, `${field}.recursive_read_only`, 'is set without readonly');
  if (propagation !== MountPropagation.PROPAGATION_PRIVATE) {
    throw invalid(VERB, `${field}.recursive_read_only`, 'is set with a propagation other than PROPAGATION_PRIVATE');
  }
}

function propagationOf(propagation: MountPropagation, field: string): NonNullable<BindRequest['propagation']> {
  switch (propagation) {
    case MountPropagation.PROPAGATION_PRIVATE:
      return 'rprivate';
    case MountPropagation.PROPAGATION_HOST_TO_CONTAINER:
      return 'rslave';
    case MountPropagation.PROPAGATION_BIDIRECTIONAL:
      return 'rshared';
    default:
      throw invalid(VERB, field, `is ${propagation}, which is no propagation of the CRI`);
  }
}
