import { fchownSync, readlinkSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { close, pipe } from '../linux/abi.ts';
import type { StreamOwner } from './stream-owner.ts';

/** The daemon's ends of a command's standard streams. */
export interface ExecStreams {
  /** Undefined: the command has no input. */
  readonly stdin: Writable | undefined;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** The output's pipes as /proc/PID/fd shows them: `pipe:[4711]`. */
  readonly outputLinks: readonly string[];
}

/**
 * Opens pipes for a command, and closes the command's ends as soon as it has been started with them. They are pipes and
 * no sockets, as Node would make them: a socket cannot be opened by its name, so `/dev/stdout` would be nothing that a
 * program can write to. A command without input gets a pipe that has ended: the runtime gives the standard streams to
 * the command's user, and /dev/null would be the host's.
 * @see crun src/libcrun/container.c, maybe_chown_std_streams
 * @param owner who may open them by their names, when that is not the runtime's affair
 * @param start gets the descriptors of the command's standard streams
 * @throws SystemError EMFILE, ENFILE
 */
export function withPipes<T>(
  { hasStdin, owner }: { readonly hasStdin: boolean; readonly owner?: StreamOwner | undefined },
  start: (stdio: readonly [number, number, number]) => T,
): { readonly started: T; readonly streams: ExecStreams } {
  using commands = new DisposableStack();
  using own = new DisposableStack();
  const open = (isInput: boolean): { readonly command: number; readonly own: number } => {
    const { readEnd, writeEnd } = pipe();
    if (owner !== undefined) fchownSync(readEnd, owner.uid, owner.gid);
    const ends = isInput ? { command: readEnd, own: writeEnd } : { command: writeEnd, own: readEnd };
    commands.defer(() => close(ends.command));
    own.defer(() => close(ends.own));
    return ends;
  };
  const [input, output, errors] = [open(true), open(false), open(false)];
  const started = start([input.command, output.command, errors.command]);
  const streams = {
    stdin: hasStdin ? new Socket({ fd: input.own, readable: false, writable: true }) : undefined,
    stdout: new Socket({ fd: output.own, readable: true, writable: false }),
    stderr: new Socket({ fd: errors.own, readable: true, writable: false }),
    outputLinks: [output, errors].map((ends) => readlinkSync(`/proc/self/fd/${ends.own}`)),
  };
  own.move(); // from here on the sockets close them
  if (!hasStdin) close(input.own);
  return { started, streams };
}
