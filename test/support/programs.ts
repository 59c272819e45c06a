/** Shell programs that containers run in tests. They print "ready" when their handlers are there. */

/** Counts its SIGTERMs and goes on. */
export const COUNTER = 'trap "echo TERM" TERM; echo ready; while :; do sleep 1000 & wait $!; done';
/** Exits with 7 on SIGTERM. */
export const POLITE = 'trap "exit 7" TERM; echo ready; while :; do sleep 1000 & wait $!; done';
/** Has no handler at all. */
export const DEAF = 'exec sleep 1000';

export function terms(output: string): number {
  return output.split('TERM').length - 1;
}
