import type { MountRequest } from '../../../engine/container/spec.ts';
import { MountPropagation } from '../../../gen/cri/api.ts';
import type { Mount } from '../../../gen/cri/api.ts';
import { invalid, unsupported } from '../errors.ts';

const VERB = 'create container';

type BindRequest = Extract<MountRequest, { kind: 'bind' }>;

/** @throws BerthError InvalidArgument naming the field; Unsupported for what is not a path of the host */
export function mountsOf(mounts: readonly Mount[]): readonly BindRequest[] {
  return mounts.map((mount, index) => mountOf(mount, `config.mounts[${index}]`));
}

function mountOf(mount: Mount, field: string): BindRequest {
  if (mount.image !== undefined) {
    throw unsupported(VERB, `${field}.image`, 'asks for the content of an image, which berth does not mount yet');
  }
  if (mount.uidMappings.length + mount.gidMappings.length > 0) {
    throw unsupported(VERB, `${field}.uidMappings`, 'asks for a mount with other users, which berth does not make yet');
  }
  if (mount.containerPath === '') throw invalid(VERB, `${field}.container_path`, 'is empty');
  if (mount.hostPath === '') throw invalid(VERB, `${field}.host_path`, 'is empty');
  if (mount.recursiveReadOnly) checkRecursive(mount, field);
  return {
    kind: 'bind',
    source: mount.hostPath,
    target: mount.containerPath,
    isReadonly: mount.readonly,
    isWritableBelow: mount.readonly && !mount.recursiveReadOnly,
    // a volume of type hostPath that says no type has always been made where it is missing
    makesSource: true,
    propagation: propagationOf(mount.propagation, `${field}.propagation`),
  };
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
