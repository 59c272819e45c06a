import { whenAborted } from '../../../base/abort.ts';
import type { EventRow } from '../../../engine/index.ts';
import { sendLines } from '../lines.ts';
import type { Call } from '../routes.ts';
import { numberIn } from './containers.ts';

/** `after=N` resumes; without `follow=1` it ends at the newest one. */
export async function events({ engine, query, response, gone }: Call): Promise<undefined> {
  const after = numberIn(query, 'after');
  const wanted = query.get('container');
  const container = wanted === null ? undefined : engine.containers.get(wanted).row.spec.id;
  const isFollowing = query.get('follow') === '1';
  using feed = engine.events({
    ...(after === undefined ? {} : { after }),
    ...(container === undefined ? {} : { container }),
  });
  const newest = engine.lastEvent;
  using _ = whenAborted(gone, () => feed[Symbol.dispose]());
  await sendLines(response, isFollowing ? feed : until(engine.eventsUpTo(after ?? 0, newest), container), gone);
  return undefined;
}

async function* until(all: Iterable<EventRow>, container: string | undefined): AsyncGenerator<EventRow> {
  for (const event of all) if (container === undefined || event.container === container) yield event;
}
