import { arch } from 'node:process';
import koffi from 'koffi';
import { checked } from './abi.ts';

const libc = koffi.load('libc.so.6');
const syscall = libc.func('long syscall(long number, long real, long effective, long saved)');

/** setresuid(2) of this thread alone: the C library's would be of the whole process. @see asm/unistd.h */
const SETRESUID: Readonly<Record<string, number>> = { x64: 117, arm64: 147 };
const UNCHANGED = -1;
const ROOT = 0;

/** Performs work as another user than root, as far as the thread that calls it goes. */
export function asUser<T>(uid: number, work: () => T): T {
  setEffectiveUser(uid);
  try {
    return work();
  } finally {
    setEffectiveUser(ROOT); // with root's number its capabilities are effective again
  }
}

function setEffectiveUser(uid: number): void {
  const number = SETRESUID[arch];
  if (number === undefined) throw new Error(`the number of setresuid on ${arch} is not known`);
  checked(syscall(number, UNCHANGED, uid, UNCHANGED), 'setresuid');
}
