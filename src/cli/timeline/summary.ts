import type { EventLine } from '../../client/index.ts';
import { formatDuration } from '../../base/units.ts';
import { between } from './between.ts';
import { textIn } from './body.ts';
import { codeOf, deliveryOf, exitIn } from './words.ts';

/** The last run in a sentence: its stop, its end, and what is left of it. */
export function summarize(events: readonly EventLine[]): string {
  const number = Math.max(0, ...events.map(({ run }) => run ?? 0));
  const isRemoved = events.some(({ type }) => type === 'container.removed');
  if (number === 0) return isRemoved ? 'never started, removed' : 'never started';
  const run = events.filter((event) => event.run === number);
  const which = number === 1 ? '' : `run ${number}: `;
  const parts = [stopOf(run), endOf(run), leftOf(run, isRemoved)].filter((part) => part !== undefined);
  return `${which}${parts.join(', ')}`;
}

function stopOf(run: readonly EventLine[]): string | undefined {
  const sent = run.filter(({ type }) => type === 'stop.signalled');
  const [first] = sent;
  const escalation = run.find(({ type }) => type === 'stop.escalated');
  const byWhom = escalation !== undefined && textIn(escalation, 'by') === 'guard' ? ' by its guard' : '';
  const killed = escalation === undefined ? '' : `, then SIGKILL${byWhom}`;
  if (first === undefined) return escalation === undefined ? undefined : `no stop signal${killed}`;
  const delivery = deliveryOf(first);
  const count = sent.length === 1 ? 'one stop signal' : `${sent.length} stop signals`;
  return `${count}${delivery === 'delivered' ? '' : ` (${delivery})`}${killed}`;
}

function endOf(run: readonly EventLine[]): string {
  const exited = run.find(({ type }) => type === 'container.exited');
  const signal = run.find(({ type }) => type === 'stop.signalled');
  if (exited === undefined) return run.some(({ type }) => type.startsWith('stop.')) ? 'being stopped' : 'still running';
  const exit = exitIn(exited);
  if (exit?.cause === 'start-failed') return `its start failed with code ${exit.code}`;
  if (signal !== undefined) return `exited ${formatDuration(between(signal, exited))} after it`;
  const started = run.find(({ type }) => type === 'container.started');
  const length = started === undefined ? '' : ` after ${formatDuration(between(started, exited))}`;
  const how = exit?.signal === undefined ? `with code ${codeOf(exit)}` : `by ${exit.signal}`;
  return `exited ${exit?.cause === 'self' ? 'by itself ' : ''}${how}${length}`;
}

function leftOf(run: readonly EventLine[], isRemoved: boolean): string | undefined {
  if (!run.some(({ type }) => type === 'container.exited')) return undefined;
  const paid = new Set(run.filter(({ type }) => type === 'debt.paid').map((event) => textIn(event, 'debt')));
  const open = run.filter((event) => event.type === 'debt.made' && !paid.has(textIn(event, 'debt')));
  if (open.length > 0) return `${open.length} ${open.length === 1 ? 'thing' : 'things'} left to clean`;
  const isCleaned = isRemoved || run.some(({ type }) => type === 'container.cleaned');
  return isCleaned ? 'nothing left to clean' : 'not cleaned yet';
}
