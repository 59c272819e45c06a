import type { ContainerAnswer } from '../../client/index.ts';
import { ago, roughly } from './time.ts';

type Exit = NonNullable<ContainerAnswer['exit']>;

const CAUSE_WORDS: Readonly<Record<Exit['cause'], string | undefined>> = {
  self: undefined,
  stop: 'stopped',
  kill: 'killed',
  oom: 'out of memory',
  sandbox: 'its sandbox ended',
  timeout: 'timed out',
  lease: 'its lease ran out',
  'monitor-lost': 'its monitor died',
  'host-shutdown': 'host shutdown',
  'start-failed': undefined,
};

/** How a container is and since when: `running for 3 minutes`, `exited (137, out of memory) 1 hour ago`. */
export function describeStatus({ phase, startedAt, exit, isQuarantined }: ContainerAnswer, now = Date.now()): string {
  const doubt = isQuarantined ? ', being looked at' : '';
  if (phase === 'exited' && exit !== undefined) return `${describeExit(exit)} ${ago(exit.exitedAt, now)}${doubt}`;
  const length = startedAt === undefined ? '' : ` for ${roughly(now - startedAt)}`;
  return `${phase}${phase === 'running' ? length : ''}${doubt}`;
}

function describeExit({ code, isCodeKnown, cause }: Exit): string {
  const number = isCodeKnown ? String(code) : 'code unknown';
  if (cause === 'start-failed') return `start failed (${number})`;
  const why = CAUSE_WORDS[cause];
  return `exited (${why === undefined ? number : `${number}, ${why}`})`;
}
