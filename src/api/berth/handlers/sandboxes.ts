import type { SandboxAnswer } from '../types.ts';
import type { SandboxView } from '../../../engine/index.ts';
import type { Call } from '../routes.ts';

const idOf = ({ params }: Call): string => params['id'] ?? '';

export function listSandboxes({ engine }: Call): object {
  const containers = Map.groupBy(engine.containers.list(), ({ sandbox }) => sandbox.spec.id);
  const namesIn = (id: string): string[] => (containers.get(id) ?? []).map(({ row }) => row.spec.name);
  return { sandboxes: engine.sandboxes.list().map((view) => sandboxAnswer(view, namesIn(view.row.spec.id))) };
}

export async function stopSandbox(call: Call): Promise<object> {
  await call.engine.sandboxes.stop(idOf(call), { requester: call.requester, signal: call.gone });
  return {};
}

export async function removeSandbox(call: Call): Promise<object> {
  await call.engine.sandboxes.remove(idOf(call), { requester: call.requester, signal: call.gone });
  return {};
}

export function explainSandbox(call: Call): object {
  return call.engine.sandboxes.why(idOf(call));
}

function sandboxAnswer({ row: { spec, state, createdAt } }: SandboxView, containers: readonly string[]): SandboxAnswer {
  const { id, name, network, pod, labels } = spec;
  const addresses = 'addresses' in state ? state.addresses : [];
  const { phase } = state;
  return { id, name, phase, network, addresses, createdAt, ...(pod === undefined ? {} : { pod }), containers, labels };
}
