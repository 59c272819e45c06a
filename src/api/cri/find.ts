import { BerthError, errorCodeOf } from '../../base/errors.ts';
import type { ContainerView } from '../../engine/index.ts';
import { containerData, sandboxData } from './api-data.ts';
import type { CriEngine, SandboxView } from './engine-door.ts';

/** The sandboxes that exist for this door: those that were made here and whose making has ended. */
export function sandboxes({ sandboxes: all }: CriEngine): SandboxView[] {
  return all.list().filter(({ row }) => row.state.phase !== 'creating' && sandboxData(row.spec) !== undefined);
}

/** Likewise the containers. */
export function containers({ containers: all }: CriEngine): ContainerView[] {
  return all.list().filter(({ row }) => row.state.phase !== 'creating' && containerData(row.spec) !== undefined);
}

/** @throws BerthError NotFound; InvalidArgument when the id is empty, or a prefix that fits several */
export function findSandbox(engine: CriEngine, id: string): SandboxView {
  return found('sandbox', id, lookUp('sandbox', sandboxes(engine), id));
}

/** @throws BerthError NotFound; InvalidArgument when the id is empty, or a prefix that fits several */
export function findContainer(engine: CriEngine, id: string): ContainerView {
  return found('container', id, lookUp('container', containers(engine), id));
}

interface Identified {
  readonly row: { readonly spec: { readonly id: string } };
}

/** By the id, or by a beginning of it that fits one only: people copy the first digits from a list. */
export function lookUp<T extends Identified>(kind: string, items: readonly T[], id: string): T | undefined {
  if (id === '')
    throw new BerthError('InvalidArgument', `Cannot find ${kind}: its id is empty`, { field: `${kind}_id` });
  const fitting = items.filter(({ row }) => row.spec.id.startsWith(id));
  if (fitting.length < 2) return fitting[0];
  const exact = fitting.find(({ row }) => row.spec.id === id);
  if (exact !== undefined) return exact;
  throw new BerthError('InvalidArgument', `Cannot find ${kind} "${id}": it fits ${fitting.length} ids`, {
    field: `${kind}_id`,
  });
}

function found<T>(kind: string, id: string, item: T | undefined): T {
  if (item === undefined) throw new BerthError('NotFound', `Cannot find ${kind} "${id}": there is none`);
  return item;
}

/** For removing and stopping: what is gone meanwhile is what was wanted. */
export async function unlessGone(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (errorCodeOf(error) !== 'NotFound') throw error;
  }
}
