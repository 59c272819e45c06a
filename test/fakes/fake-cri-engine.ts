import type { CriEngine } from '../../src/api/cri/engine-door.ts';
import { BerthError } from '../../src/base/errors.ts';

/** What a test wants of the engine. Whatever else is asked of it is a mistake, and told as one. */
export interface CriEngineParts {
  readonly sandboxes?: Partial<CriEngine['sandboxes']>;
  readonly containers?: Partial<CriEngine['containers']>;
  readonly images?: Partial<CriEngine['images']>;
  readonly events?: CriEngine['events'];
  readonly pullImage?: CriEngine['pullImage'];
  readonly removeWholeImage?: CriEngine['removeWholeImage'];
  readonly imageStorage?: CriEngine['imageStorage'];
  readonly idmapTrouble?: string;
  readonly disk?: CriEngine['disk'];
  readonly counters?: CriEngine['counters'];
  readonly networkTrouble?: string;
  readonly trouble?: string;
}

/** The engine's door with nothing behind it but what a test puts there. */
export function fakeCriEngine(parts: CriEngineParts = {}): CriEngine {
  return {
    sandboxes: {
      list: () => [],
      create: () => unexpected('sandboxes.create'),
      stop: () => unexpected('sandboxes.stop'),
      remove: () => unexpected('sandboxes.remove'),
      usages: () => Promise.resolve(new Map()),
      update: () => unexpected('sandboxes.update'),
      ...parts.sandboxes,
    },
    containers: {
      list: () => [],
      create: () => unexpected('containers.create'),
      start: () => unexpected('containers.start'),
      stop: () => unexpected('containers.stop'),
      remove: () => unexpected('containers.remove'),
      exec: () => unexpected('containers.exec'),
      update: () => unexpected('containers.update'),
      reopenLog: () => unexpected('containers.reopenLog'),
      usage: () => undefined,
      details: () => Promise.resolve(undefined),
      snapshotUsages: () => Promise.resolve(new Map()),
      ...parts.containers,
    },
    images: {
      list: () => [],
      find: (name) => {
        throw new BerthError('NotFound', `Cannot find image "${name}": there is none`);
      },
      ...parts.images,
    },
    events: parts.events ?? (() => unexpected('events')),
    pullImage: parts.pullImage ?? (() => unexpected('pullImage')),
    removeWholeImage: parts.removeWholeImage ?? (() => unexpected('removeWholeImage')),
    imageStorage: parts.imageStorage ?? (() => unexpected('imageStorage')),
    idmapTrouble: () => Promise.resolve(parts.idmapTrouble),
    disk: parts.disk ?? (() => unexpected('disk')),
    counters: parts.counters ?? { pressure: true, hugepages: true, mostHugepages: true, mostMemory: true },
    networkTrouble: parts.networkTrouble,
    trouble: parts.trouble,
  };
}

function unexpected(verb: string): never {
  throw new Error(`the test did not expect ${verb}`);
}
