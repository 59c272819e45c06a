import { counter, gauge, sample } from './metric.ts';
import type { MetricOf } from './metric.ts';
import { devicesOf } from './subject.ts';
import type { ContainerSubject } from './subject.ts';

const labels = ['device'];

export const diskMetrics: readonly MetricOf<ContainerSubject>[] = [
  gauge(
    { name: 'container_fs_usage_bytes', help: 'What it has written to its own layer, in bytes on the disk.', labels },
    ({ layer, disk }) => (layer === undefined ? [] : [{ value: layer.usedBytes, labels: [disk.device], at: layer.at }]),
  ),
  gauge(
    { name: 'container_fs_limit_bytes', help: 'The size of the file system that it writes to, in bytes.', labels },
    ({ disk }) => sample(disk.totalBytes, disk.device),
  ),
  gauge(
    { name: 'container_fs_inodes_total', help: 'The inodes of the file system that it writes to.', labels },
    ({ disk }) => sample(disk.totalInodes, disk.device),
  ),
  gauge(
    { name: 'container_fs_inodes_free', help: 'The free inodes of the file system that it writes to.', labels },
    ({ disk }) => sample(disk.freeInodes, disk.device),
  ),
  counter({ name: 'container_fs_reads_total', help: 'Reads from a block device.', labels }, (subject) =>
    devicesOf(subject).flatMap(({ reads, device }) => sample(reads, device)),
  ),
  counter({ name: 'container_fs_writes_total', help: 'Writes to a block device.', labels }, (subject) =>
    devicesOf(subject).flatMap(({ writes, device }) => sample(writes, device)),
  ),
  counter({ name: 'container_fs_reads_bytes_total', help: 'Bytes read from a block device.', labels }, (subject) =>
    devicesOf(subject).flatMap(({ readBytes, device }) => sample(readBytes, device)),
  ),
  counter({ name: 'container_fs_writes_bytes_total', help: 'Bytes written to a block device.', labels }, (subject) =>
    devicesOf(subject).flatMap(({ writtenBytes, device }) => sample(writtenBytes, device)),
  ),
  counter(
    {
      name: 'container_blkio_device_usage_total',
      help: 'Bytes read from and written to a block device.',
      labels: ['device', 'major', 'minor', 'operation'],
    },
    (subject) =>
      devicesOf(subject).flatMap(({ device, major, minor, readBytes, writtenBytes }) => [
        ...sample(readBytes, device, String(major), String(minor), 'Read'),
        ...sample(writtenBytes, device, String(major), String(minor), 'Write'),
      ]),
  ),
];
