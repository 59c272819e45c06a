import { whenAborted } from '../../../base/abort.ts';
import { Pace } from '../../../base/pace.ts';
import type { ContainerEventResponse, GetEventsRequest } from '../../../gen/cri/api.ts';
import type { Call } from '../call.ts';
import { ContainerEvents } from '../container-events.ts';

/**
 * What happens from now on, until the client goes away. A client that reads slowly is only further behind.
 * @throws BerthError NotFound when it is behind everything that is kept; then it has to look at everything anew
 */
export async function* containerEvents(
  _: GetEventsRequest,
  { engine, signal }: Call,
): AsyncGenerator<ContainerEventResponse> {
  using feed = engine.events();
  using _gone = whenAborted(signal, () => feed[Symbol.dispose]());
  const events = new ContainerEvents(engine);
  const pace = new Pace();
  for await (const event of feed) {
    await pace.breathe();
    yield* events.of(event);
  }
}
