import type { ContainerAnswer, EventLine } from '../../client/index.ts';
import { formatDuration } from '../../base/units.ts';
import { numberIn, textIn } from './body.ts';

type Exit = NonNullable<ContainerAnswer['exit']>;
type Words = (event: EventLine) => string;

/** What each event is called in plain words. The compiler sees to it that none is missing. */
const WORDS: Readonly<Record<EventLine['type'], Words>> = {
  'container.created': ({ body }) => (body['adopted'] === true ? 'adopted from what its run left' : 'created'),
  'container.started': (event) => `started, PID 1 is process ${numberIn(event, 'pid') ?? 'unknown'}`,
  'container.warning': warning,
  'container.paused': () => 'paused',
  'container.resumed': ({ body }) => (body['by'] === 'stop' ? 'resumed for its stop' : 'resumed'),
  'container.updated': (event) => `limits changed${by(event)}`,
  'container.killed': (event) => `${textIn(event, 'signal') ?? 'a signal'} sent${by(event)}`,
  'container.oom': (event) => `out of memory: the kernel killed ${numberIn(event, 'kills') ?? 'some'} of its processes`,
  'container.exited': (event) => exited(exitIn(event)),
  'container.log': ({ body }) => (body['log'] === 'cut' ? 'log cut off: its end is missing' : 'log complete'),
  'container.cleaned': () => 'cleaned',
  'container.removed': () => 'removed',
  'stop.requested': stopRequested,
  'stop.joined': (event) =>
    `stop joined${by(event)}${event.body['isForward'] === true ? ': the kill comes earlier' : ''}`,
  'stop.signalled': signalled,
  'stop.escalated': (event) => `escalated: SIGKILL${textIn(event, 'by') === 'guard' ? ' by its guard' : ''}`,
  'exec.started': ({ body }) => `command started: ${list(body['args'], ' ')}`,
  'exec.ended': (event) => `command ended with code ${numberIn(event, 'code') ?? 'unknown'}${timedOut(event)}`,
  'sandbox.ready': (event) => `sandbox ready, network ${textIn(event, 'network') ?? 'unknown'}`,
  'sandbox.stopping': (event) => `sandbox is being stopped${by(event)}`,
  'sandbox.stopped': () => 'sandbox stopped',
  'sandbox.updated': (event) => `sandbox updated${by(event)}`,
  'sandbox.removed': () => 'sandbox removed',
  'debt.made': (event) => `not cleaned yet: ${debt(event)}: ${textIn(event, 'error') ?? 'reason unknown'}`,
  'debt.paid': (event) => `${event.body['forgiven'] === true ? 'forgiven' : 'cleaned after all'}: ${debt(event)}`,
  'image.imported': (event) => `image imported: ${list(event.body['names'], ', ') || (textIn(event, 'id') ?? '')}`,
  'image.pulled': (event) => `image pulled: ${textIn(event, 'name') ?? ''}`,
  'image.removed': (event) => `image removed: ${textIn(event, 'name') ?? ''}`,
};

/** What became of a signal. */
export function deliveryOf(event: EventLine): string {
  const delivery = textIn(event, 'delivery') ?? 'unknown';
  return delivery === 'ignored' ? 'ignored by PID 1' : delivery;
}

export function codeOf(exit: Exit | undefined): string {
  return exit?.isCodeKnown === true ? String(exit.code) : 'unknown';
}

/** One event in plain words. It is what somebody else wrote: neutralise it before it is shown. */
export function describeEvent(event: EventLine): string {
  const words: Words | undefined = WORDS[event.type]; // a newer daemon may have more
  return words === undefined ? event.type : words(event);
}

export function exitIn({ body }: EventLine): Exit | undefined {
  return body['exit'] as Exit | undefined;
}

function exited(exit: Exit | undefined): string {
  if (exit === undefined) return 'exited';
  const { code, signal, cause, message } = exit;
  const because = message === undefined ? '' : `: ${message}`;
  if (cause === 'start-failed') return `start failed with code ${code}${because}`;
  const how = signal === undefined ? `with code ${codeOf(exit)}` : `by ${signal} (code ${code})`;
  const log = exit.log === 'pending' ? '' : exit.log === 'cut' ? ', log cut off' : ', log complete';
  return `exited ${how}, cause ${cause}${because}${log}`;
}

function stopRequested(event: EventLine): string {
  const reason = textIn(event, 'reason');
  const why = reason === undefined ? '' : `, reason "${reason}"`;
  const who = textIn(event, 'requester') ?? 'somebody';
  if (event.body['isKill'] === true)
    return `kill asked by ${who}${reason === undefined ? '' : ` (reason "${reason}")`}`;
  const graceMs = numberIn(event, 'graceMs');
  return `stop asked by ${who} (${graceMs === undefined ? 'no end to its grace' : `grace ${formatDuration(graceMs)}`}${why})`;
}

function signalled(event: EventLine): string {
  const signal = textIn(event, 'signal') ?? 'signal';
  const delivery = deliveryOf(event);
  if (delivery === 'unknown') return `${signal} may have been sent (the daemon ended meanwhile)`;
  return `${signal} sent (${delivery})`;
}

function warning(event: EventLine): string {
  const kind = textIn(event, 'warning');
  if (kind === 'stop-signal-ignored') return `warning: PID 1 ignores ${textIn(event, 'signal') ?? 'its stop signal'}`;
  if (kind !== 'monitor-lost') return `warning: ${kind ?? 'unknown'}`;
  return `warning: its monitor died, it ${event.body['isFenced'] === true ? 'is killed' : 'runs on without a log'}`;
}

function by(event: EventLine): string {
  const reason = textIn(event, 'reason');
  return ` by ${textIn(event, 'requester') ?? 'somebody'}${reason === undefined ? '' : ` (reason "${reason}")`}`;
}

function debt(event: EventLine): string {
  return `${textIn(event, 'kind') ?? 'something'} ${textIn(event, 'what') ?? ''}`.trimEnd();
}

function timedOut({ body }: EventLine): string {
  return body['isTimedOut'] === true ? ': it took too long' : '';
}

function list(value: unknown, separator: string): string {
  return Array.isArray(value) ? value.join(separator) : '';
}
