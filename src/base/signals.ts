import { BerthError } from './errors.ts';

/** A signal by its full name: `SIGTERM`, `SIGRTMIN+3`. */
export type SignalName = `SIG${string}`;

/** Linux on x86_64, arm64 and every other architecture that berth runs on. @see signal(7) */
const NUMBERS: ReadonlyMap<string, number> = new Map([
  ['SIGHUP', 1],
  ['SIGINT', 2],
  ['SIGQUIT', 3],
  ['SIGILL', 4],
  ['SIGTRAP', 5],
  ['SIGABRT', 6],
  ['SIGBUS', 7],
  ['SIGFPE', 8],
  ['SIGKILL', 9],
  ['SIGUSR1', 10],
  ['SIGSEGV', 11],
  ['SIGUSR2', 12],
  ['SIGPIPE', 13],
  ['SIGALRM', 14],
  ['SIGTERM', 15],
  ['SIGSTKFLT', 16],
  ['SIGCHLD', 17],
  ['SIGCONT', 18],
  ['SIGSTOP', 19],
  ['SIGTSTP', 20],
  ['SIGTTIN', 21],
  ['SIGTTOU', 22],
  ['SIGURG', 23],
  ['SIGXCPU', 24],
  ['SIGXFSZ', 25],
  ['SIGVTALRM', 26],
  ['SIGPROF', 27],
  ['SIGWINCH', 28],
  ['SIGIO', 29],
  ['SIGPWR', 30],
  ['SIGSYS', 31],
]);

const ALIASES: ReadonlyMap<string, string> = new Map([
  ['SIGIOT', 'SIGABRT'],
  ['SIGCLD', 'SIGCHLD'],
  ['SIGPOLL', 'SIGIO'],
]);

/** What C libraries call SIGRTMIN: the kernel's 32 and 33 belong to the thread library. @see signal(7) */
const RTMIN = 34;
const RTMAX = 64;

const NAMES: ReadonlyMap<number, SignalName> = new Map(
  [...NUMBERS].map(([name, number]) => [number, name as SignalName] as const),
);

/** @throws BerthError InvalidArgument for a name that `parseSignal` would not give */
export function signalNumber(name: SignalName): number {
  return numberOf(name) ?? unknownSignal(name, 'signal');
}

/** The name of a signal number; real-time signals count from SIGRTMIN up to the middle and from SIGRTMAX down to it. */
export function signalName(number: number): SignalName | undefined {
  const plain = NAMES.get(number);
  if (plain !== undefined) return plain;
  if (number === RTMIN) return 'SIGRTMIN';
  if (number === RTMAX) return 'SIGRTMAX';
  if (number > RTMIN && number < RTMIN + 16) return `SIGRTMIN+${number - RTMIN}`;
  if (number >= RTMIN + 16 && number < RTMAX) return `SIGRTMAX-${RTMAX - number}`;
  return undefined;
}

/**
 * Reads a signal in every spelling that clients send: `TERM`, `sigterm`, `15`, `RTMIN+3`, `SIGRTMIN+3` and the
 * `SIGRTMINPLUS3` of the CRI's enum.
 * @throws BerthError InvalidArgument naming `field`
 */
export function parseSignal(text: string | number, field = 'signal'): SignalName {
  const wanted = String(text).trim();
  const number = /^\d+$/.test(wanted) ? Number(wanted) : numberOf(normalise(wanted));
  const name = number === undefined ? undefined : signalName(number);
  return name ?? unknownSignal(wanted, field);
}

function normalise(text: string): string {
  const upper = text.toUpperCase().replace('PLUS', '+').replace('MINUS', '-');
  const full = upper.startsWith('SIG') ? upper : `SIG${upper}`;
  return ALIASES.get(full) ?? full;
}

function numberOf(name: string): number | undefined {
  const plain = NUMBERS.get(name);
  if (plain !== undefined) return plain;
  const match = /^SIGRT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name);
  if (match === null) return undefined;
  const offset = Number(match[3] ?? 0) * (match[2] === '-' ? -1 : 1);
  const number = (match[1] === 'MIN' ? RTMIN : RTMAX) + offset;
  return number >= RTMIN && number <= RTMAX ? number : undefined;
}

function unknownSignal(text: string, field: string): never {
  throw new BerthError(
    'InvalidArgument',
    `Cannot read ${field} "${text}": must be a signal name like SIGTERM or RTMIN+3, or a number from 1 to 64`,
    { field },
  );
}
