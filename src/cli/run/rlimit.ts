import type { CreateBody } from '../../client/index.ts';
import { refuse } from './values.ts';

export type Rlimit = NonNullable<CreateBody['rlimits']>[number];

/** `nofile=1024` or `nofile=1024:4096` */
export function readRlimit(text: string): Rlimit {
  const [, name, soft, hard] = /^([a-z]+)=(\d+)(?::(\d+))?$/.exec(text) ?? [];
  if (name === undefined || soft === undefined) return refuse('--ulimit', text, 'NAME=SOFT or NAME=SOFT:HARD');
  return { name, soft: Number(soft), hard: Number(hard ?? soft) };
}
