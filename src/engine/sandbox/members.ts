import type { ContainerActor } from '../container/actor.ts';
import type { CreateParts } from '../container/create.ts';
import type { SandboxActor } from './actor.ts';

/** The containers that live in the sandbox, its infra container among them. */
export function membersOf({ id }: SandboxActor, { containers }: Pick<CreateParts, 'containers'>): ContainerActor[] {
  return containers.all().filter(({ spec }) => spec.sandboxId === id);
}
