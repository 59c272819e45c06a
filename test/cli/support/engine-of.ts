import type { Containers } from '../../../src/engine/containers.ts';
import type { World } from '../../fakes/world.ts';
import type { EngineParts } from './serve.ts';

/** The engine of a world, which prints nothing by itself, with some verbs of a test's own. */
export function engineOf(world: World, containers: Partial<Containers> = {}): EngineParts {
  const real = world.engine.containers;
  return {
    isRecovered: true,
    images: world.engine.images,
    containers: {
      list: () => real.list(),
      get: (id) => real.get(id),
      create: (request, options) => real.create(request, options),
      start: (id, options) => real.start(id, options),
      stop: (id, request) => real.stop(id, request),
      kill: (id, request) => real.kill(id, request),
      wait: (id, options) => real.wait(id, options),
      remove: (id, request) => real.remove(id, request),
      ...containers,
    },
  };
}
