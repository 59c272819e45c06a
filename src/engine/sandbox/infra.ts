import type { ProcessIdentity } from '../../base/process-identity.ts';
import { BerthError } from '../../base/errors.ts';
import { newId, shortId } from '../../base/ids.ts';
import { ContainerActor } from '../container/actor.ts';
import type { CreateParts } from '../container/create.ts';
import type { ContainerSpec } from '../container/spec.ts';
import { startContainer } from '../container/start.ts';
import { describePhase, isLive } from '../container/state.ts';
import { runtimeNamed } from '../parts.ts';
import type { SandboxActor } from './actor.ts';
import { membersOf } from './members.ts';

/**
 * The process whose PID namespace the sandbox's containers share. It is made when the first of them starts: most pods
 * share none, and have no process of the engine's in them.
 * @throws BerthError WrongState when it has ended: with it everything in its namespace has
 */
export async function infraOf(sandbox: SandboxActor, parts: CreateParts): Promise<ProcessIdentity> {
  const { infra } = await sandbox.mailbox.run(() => beginInfra(sandbox, parts));
  const { state } = await infra;
  if (isLive(state)) return state.run.processes.init;
  throw new BerthError(
    'WrongState',
    `Cannot share the PID namespace of sandbox "${sandbox.spec.name}": its infra container is ${describePhase(state)}`,
  );
}

function beginInfra(sandbox: SandboxActor, parts: CreateParts): { readonly infra: Promise<ContainerActor> } {
  const infra = parts.infras.get(sandbox.id) ?? runInfra(sandbox, parts);
  parts.infras.set(sandbox.id, infra);
  // The next one who needs it looks anew: it may have been taken up from an earlier daemon, or try again.
  infra.finally(() => parts.infras.delete(sandbox.id)).catch(() => undefined);
  return { infra };
}

async function runInfra(sandbox: SandboxActor, parts: CreateParts): Promise<ContainerActor> {
  const known = membersOf(sandbox, parts).find(({ spec }) => spec.role === 'infra');
  const infra = known ?? (await createInfra(sandbox, parts));
  await infra.untilRecovered();
  const { state } = infra;
  const hasNeverRun = state.phase === 'created' || (state.phase === 'exited' && state.exit.cause === 'start-failed');
  if (hasNeverRun) await startContainer(infra, parts);
  return infra;
}

async function createInfra(sandbox: SandboxActor, parts: CreateParts): Promise<ContainerActor> {
  const program = await runtimeNamed(parts, sandbox.spec.handler).findInit();
  const spec = infraSpec(sandbox, program, parts);
  const row = { spec, state: { phase: 'created' }, createdAt: parts.clock.wall(), runs: 0 } as const;
  const actor = new ContainerActor(row, sandbox, parts, 'new');
  parts.journal.record({ containers: [row] }, []);
  parts.containers.add(actor);
  return actor;
}

/** As little as a process can have: no capabilities, and nothing to read or to write. */
function infraSpec(
  { spec: { id: sandboxId, handler, cgroupParent } }: SandboxActor,
  program: string,
  parts: CreateParts,
) {
  const id = newId();
  const { settings } = parts;
  return {
    id,
    name: `infra-${shortId(sandboxId)}`,
    sandboxId,
    role: 'infra',
    handler,
    image: { name: '', id: '' },
    process: {
      args: [program, '-P'],
      env: [],
      cwd: '/',
      userName: '',
      user: { uid: 0, gid: 0, additionalGids: [], home: '/' },
      hasTerminal: false,
      hasStdin: false,
      isStdinOnce: false,
    },
    pid: 'container',
    mounts: [],
    resources: {},
    security: { dropCapabilities: ['ALL'], noNewPrivileges: true, isReadonlyRootfs: true },
    rlimits: [],
    oomScoreAdj: INFRA_OOM_SCORE_ADJ,
    shmSizeBytes: 0,
    labels: {},
    annotations: {},
    stopSignal: 'SIGTERM',
    stopGraceMs: settings.stopGraceMs,
    restart: { when: 'no' },
    logPath: `${settings.logFolder}/${id}/container.log`,
    cgroupPath: `${(cgroupParent ?? settings.cgroupParent).replace(/\/$/, '')}/${id}`,
    apiData: undefined,
  } satisfies ContainerSpec;
}

/** The pod's own processes are worth less than the one that holds them together. */
const INFRA_OOM_SCORE_ADJ = -998;
