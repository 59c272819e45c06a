import type { EventRow } from '../../../engine/index.ts';
import { sendLines } from '../lines.ts';
import type { Call } from '../routes.ts';
import { numberIn } from './containers.ts';

/** `after=N` resumes; without `follow=1` it ends at the newest one. */
export async function events({ engine, query, response, gone }: Call): Promise<undefined> {
  const after = numberIn(query, 'after');
  const container = query.get('container');
  const isFollowing = query.get('follow') === '1';
  using feed = engine.events({
    ...(after === undefined ? {} : { after }),
    ...(container === null ? {} : { container: engine.containers.get(container).row.spec.id }),
  });
  const newest = engine.lastEvent;
  gone.addEventListener('abort', () => feed[Symbol.dispose](), { once: true });
  await sendLines(response, isFollowing ? feed : until(engine.eventsUpTo(after ?? 0, newest)), gone);
  return undefined;
}

async function* until(all: Iterable<EventRow>): AsyncGenerator<EventRow> {
  for (const event of all) yield event;
}
