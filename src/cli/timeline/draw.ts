import type { EventLine } from '../../client/index.ts';
import { neutralise } from '../print/neutral.ts';
import { dayOf, timeOfDay } from '../print/time.ts';
import { formatDuration } from '../../base/units.ts';
import { between, signalBefore } from './between.ts';
import { textIn } from './body.ts';
import { summarize } from './summary.ts';
import { describeEvent } from './words.ts';

/**
 * One life of a container: what happened before its runs, each run with the time since its start, what came after,
 * and a sentence at the end.
 * @param events of one container, oldest first
 */
export function drawTimeline(events: readonly EventLine[]): string[] {
  const lines = [heading(events)];
  let begin: EventLine | undefined;
  let day = '';
  for (const event of events) {
    const isNewRun = event.run !== undefined && event.run !== begin?.run;
    if (isNewRun) begin = event;
    if (dayOf(event.time) !== day) lines.push((day = dayOf(event.time)));
    if (isNewRun) lines.push(`run ${event.run}`);
    lines.push(`  ${timeOfDay(event.time)}  ${offset(event, begin)}  ${describeEvent(event)}${since(event, events)}`);
  }
  return [...lines, summarize(events)].map(neutralise);
}

function heading(events: readonly EventLine[]): string {
  const [first] = events;
  const created = events.find(({ type }) => type === 'container.created');
  const name = (created && textIn(created, 'name')) ?? 'container';
  const image = created?.body['image'];
  const hasImage = typeof image === 'object' && image !== null && 'name' in image && typeof image.name === 'string';
  return `${name} (${first?.container ?? 'unknown'})${hasImage ? `, image ${String(image.name)}` : ''}`;
}

const OFFSET_WIDTH = 10;

function offset(event: EventLine, begin: EventLine | undefined): string {
  const text = begin === undefined ? '' : `+${(between(begin, event) / 1_000).toFixed(3)}s`;
  return text.padStart(OFFSET_WIDTH);
}

/** How long after its cause an exit or an escalation came. */
function since(event: EventLine, events: readonly EventLine[]): string {
  if (event.type !== 'container.exited' && event.type !== 'stop.escalated') return '';
  const cause = signalBefore(event, events);
  if (cause === undefined) return '';
  const what = cause.type === 'stop.escalated' ? 'SIGKILL' : (textIn(cause, 'signal') ?? 'the signal');
  return `, ${formatDuration(between(cause, event))} after ${what}`;
}
