import type { ContainerView } from '../../engine/index.ts';
import { currentRun, describePhase, exitOf } from '../../engine/index.ts';
import type { Image, LogLine } from '../../engine/ports.ts';
import type { ContainerAnswer, ImageAnswer, InspectAnswer, LogRecord } from './types.ts';

export function containerAnswer({ row, sandbox, isQuarantined }: ContainerView): ContainerAnswer {
  const { spec, state } = row;
  const run = currentRun(state);
  const exit = exitOf(state);
  return {
    id: spec.id,
    name: spec.name,
    image: spec.image,
    phase: describePhase(state),
    createdAt: row.createdAt,
    ...(run !== undefined && 'startedAt' in run ? { startedAt: run.startedAt } : {}),
    ...(run?.processes === undefined ? {} : { pid: run.processes.init.pid }),
    ...(exit === undefined ? {} : { exit }),
    isQuarantined,
    network: sandbox.spec.network,
    command: spec.process.args,
    labels: spec.labels,
  };
}

/** Without the environment: it is where people keep their secrets. */
export function inspectAnswer(view: ContainerView): InspectAnswer {
  const { row } = view;
  const names = row.spec.process.env.map((entry) => entry.slice(0, entry.indexOf('=')));
  const process = { ...row.spec.process, env: names };
  return { ...containerAnswer(view), row: { ...row, spec: { ...row.spec, process } } };
}

export function imageAnswer(image: Image): ImageAnswer {
  const { id, names, digests, isPinned, sizeBytes, createdAt, architecture, layers } = image;
  const known = createdAt === undefined ? {} : { createdAt };
  return { id, names, digests, isPinned, sizeBytes, architecture, layers, ...known };
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function logRecord({ time, stream, data, isPartial }: LogLine): LogRecord {
  return { time, stream, ...textOrData(data), ...(isPartial ? { isPartial: true } : {}) };
}

function textOrData(data: Uint8Array): { readonly text: string } | { readonly data: string } {
  try {
    return { text: decoder.decode(data) };
  } catch {
    return { data: Buffer.from(data).toString('base64') };
  }
}
