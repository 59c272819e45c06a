import { resolve } from 'node:path';
import { parseSize } from '../../base/units.ts';
import type { CreateBody } from '../../client/index.ts';
import { refuse } from './values.ts';

export type MountRequest = NonNullable<CreateBody['mounts']>[number];

/** `SRC:DST[:ro]`. A source that begins with a dot is seen from the folder of whoever asks. */
export function readVolume(text: string): MountRequest {
  const [source = '', target = '', mode = 'rw', ...others] = text.split(':');
  const isFit = /^[./]/.test(source) && target.startsWith('/') && ['ro', 'rw'].includes(mode) && others.length === 0;
  if (!isFit) return refuse('--volume', text, 'SRC:DST or SRC:DST:ro with paths; volumes with names are not there yet');
  const absolute = source.startsWith('.') ? resolve(source) : source;
  return { kind: 'bind', source: absolute, target, ...(mode === 'ro' ? { isReadonly: true } : {}) };
}

/** `DST[:size=64M]` */
export function readTmpfs(text: string): MountRequest {
  const [target = '', option, ...others] = text.split(':');
  const [key, amount = ''] = option?.split('=') ?? [];
  if (!target.startsWith('/') || others.length > 0 || (option !== undefined && key !== 'size')) {
    return refuse('--tmpfs', text, 'DST or DST:size=64M');
  }
  return { kind: 'tmpfs', target, ...(option === undefined ? {} : { sizeBytes: parseSize(amount, '--tmpfs size') }) };
}
