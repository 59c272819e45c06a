import { closeSync, ftruncateSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { BerthError } from '../base/errors.ts';
import { tryLock } from './abi.ts';
import { identify, isPresent, isRunning } from './process.ts';
import type { ProcessIdentity } from '../base/process-identity.ts';

/** What the holder's file tells: enough to say who it is, and to see that it is not dead. */
interface Holder extends ProcessIdentity {
  readonly command: string;
}

export interface StateLock extends Disposable {
  /** Set when a dead daemon still held the lock: one of its threads hangs in the kernel. */
  readonly overridden: Holder | undefined;
}

/**
 * Makes this process the only daemon of a state folder, until it ends however it ends.
 * @throws BerthError Busy naming the holder
 */
export function lockState(file: string, bootId: string): StateLock {
  const first = openSync(file, 'a+', 0o600);
  if (tryLock(first)) return claim(first, bootId, undefined);
  closeSync(first);
  const holder = readHolder(file);
  const isDead = holder !== undefined && isPresent(holder, bootId) && !isRunning(holder, bootId);
  if (!isDead) {
    const who = holder === undefined ? 'another process' : `${holder.command} (pid ${holder.pid})`;
    throw new BerthError('Busy', `Cannot use the state in "${file}": ${who} is using it`);
  }
  // A zombie whose last thread is stuck cannot do anything any more, but the kernel keeps its locks: use a new file.
  const fresh = `${file}.new`;
  const second = openSync(fresh, 'w', 0o600);
  if (!tryLock(second)) throw new BerthError('Busy', `Cannot use the state in "${file}": another daemon is starting`);
  renameSync(fresh, file);
  return claim(second, bootId, holder);
}

function claim(fd: number, bootId: string, overridden: Holder | undefined): StateLock {
  const identity = identify(bootId, process.pid);
  ftruncateSync(fd);
  writeSync(fd, JSON.stringify({ ...identity, command: 'berth serve' }));
  return { overridden, [Symbol.dispose]: () => closeSync(fd) };
}

function readHolder(file: string): Holder | undefined {
  try {
    const holder = JSON.parse(readFileSync(file, 'utf8')) as Partial<Holder>;
    return typeof holder.pid === 'number' && typeof holder.startTime === 'number' ? (holder as Holder) : undefined;
  } catch {
    return undefined; // it is being written, or was cut off: nobody to name
  }
}
