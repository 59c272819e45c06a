import { readFileSync } from 'node:fs';
import { isMissing } from '../base/errors.ts';

/** @see sys/sysmacros.h: glibc's split of a 64-bit device number, of which the kernel uses 32 */
export function deviceNumbers(device: number): { readonly major: number; readonly minor: number } {
  return { major: (device >>> 8) & 0xfff, minor: (device & 0xff) | ((device >>> 12) & 0xfff00) };
}

/** The node of a block device, `/dev/vda`; its numbers, `254:0`, when it has no name. */
export function deviceName(major: number, minor: number): string {
  const numbers = `${major}:${minor}`;
  const name = /^DEVNAME=(.+)$/m.exec(readOr(`/sys/dev/block/${numbers}/uevent`))?.[1];
  return name === undefined ? numbers : `/dev/${name}`;
}

/**
 * What the file system of this device number is mounted from: its device, or for one without a device of its own what
 * its mount says. @see proc_pid_mountinfo(5)
 */
export function mountSource(device: number): string {
  const { major, minor } = deviceNumbers(device);
  const named = deviceName(major, minor);
  if (named.startsWith('/')) return named;
  const mount = readOr('/proc/self/mountinfo')
    .split('\n')
    .find((line) => line.split(' ')[2] === named);
  return mount?.split(' - ')[1]?.split(' ')[1] ?? named;
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return '';
    throw error;
  }
}
