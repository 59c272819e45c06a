import type { DeviceUsage } from '../../../base/usage.ts';
import type { ContainerSpec } from '../../../engine/container/spec.ts';
import type { Disk, RunDetails, SnapshotUsage } from '../../../engine/ports.ts';

/** A running container, and everything that is known of what it uses. */
export interface ContainerSubject {
  readonly spec: ContainerSpec;
  /** Unix ms. */
  readonly startedAt: number;
  readonly details: RunDetails;
  /** What it has written; undefined while that is not known. */
  readonly layer: SnapshotUsage | undefined;
  /** What it writes to. */
  readonly disk: Disk;
}

/** The devices that it has used, and the one that it would write to: what is counted from the beginning begins with 0. */
export function devicesOf({ details: { devices }, disk }: ContainerSubject): readonly DeviceUsage[] {
  const { device, major, minor } = disk;
  if (devices.some((each) => each.major === major && each.minor === minor)) return devices;
  return [...devices, { device, major, minor, readBytes: 0, writtenBytes: 0, reads: 0, writes: 0 }];
}
