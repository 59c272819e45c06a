/** How a session ended. `done`: without an exit code, as an attach does. */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'failed'; readonly message: string };

/** Remote-command protocol: 2 fixes half closing, 3 adds resizes, 4 the status as JSON, 5 the close signal. */
export type CommandVersion = 1 | 2 | 3 | 4 | 5;

/**
 * What the error stream says about the end: a v1.Status of the Kubernetes API, before version 4 plain words.
 * client-go reads a missing status as success, so there is one for every end that is not.
 * @see k8s.io/client-go/tools/remotecommand v4.go
 */
export function statusText(outcome: Outcome, version: CommandVersion): string {
  if (isSuccess(outcome)) return version < 4 ? '' : JSON.stringify({ metadata: {}, status: 'Success' });
  const message = outcome.kind === 'exited' ? `command ended with exit code ${exitCode(outcome)}` : outcome.message;
  if (version < 4) return message;
  const details =
    outcome.kind === 'exited'
      ? { reason: 'NonZeroExitCode', details: { causes: [{ reason: 'ExitCode', message: String(exitCode(outcome)) }] } }
      : { reason: 'InternalError', details: { causes: [{ message }] }, code: 500 };
  return JSON.stringify({ metadata: {}, status: 'Failure', message, ...details });
}

type NotGood = Exclude<Outcome, { readonly kind: 'done' }>;

function isSuccess(outcome: Outcome): outcome is Exclude<Outcome, NotGood> {
  return outcome.kind === 'done' || (outcome.kind === 'exited' && outcome.code === 0);
}

/** client-go reads it as a number of 8 bits, and nothing else may look like a success. */
function exitCode({ code }: { readonly code: number }): number {
  return Number.isInteger(code) && code > 0 && code < 256 ? code : 255;
}
