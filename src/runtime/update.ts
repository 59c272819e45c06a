import { BerthError, messageOf } from '../base/errors.ts';
import { formatSize } from '../base/units.ts';
import type { Resources } from '../engine/container/spec.ts';
import type { ContainerRow } from '../engine/container/state.ts';
import { runtimeIdOf } from '../engine/container/state.ts';
import type { RunRef } from '../engine/ports.ts';
import type { Cgroup } from '../linux/cgroup.ts';
import { limitWrites } from './limit-writes.ts';
import type { LimitWrite } from './limit-writes.ts';
import type { RuntimeParts } from './parts.ts';
import { cgroupOf } from './parts.ts';

/** A kernel that has to find memory first takes its time. */
const WRITE_WITHIN_MS = 10_000;

/**
 * Moves the limits of a run that lives. What was written before something was refused is taken back.
 * @throws BerthError WrongState, InvalidArgument, DeadlineExceeded; Internal with the kernel's words
 */
export async function updateRun(parts: RuntimeParts, run: RunRef, row: ContainerRow, from: Resources): Promise<void> {
  const to = row.spec.resources;
  const cgroup = cgroupOf(parts, run);
  refuseWhatKills(cgroup, from, to);
  const writes = limitWrites(from, to, contextOf(parts, cgroup));
  await using undo = new AsyncDisposableStack();
  undo.defer(await writeAll(parts, cgroup, writes));
  const weight = await moveWeight(parts, run, cgroup, from, to);
  if (weight !== undefined) undo.defer(weight);
  await parts.folders.rewrite(run, row);
  undo.move(); // all of it is as it was asked for
}

/** The kernel would give up what it can, and then kill. */
function refuseWhatKills(cgroup: Cgroup, from: Resources, to: Resources): void {
  const { memoryBytes = Infinity } = to;
  if (memoryBytes >= (from.memoryBytes ?? Infinity)) return;
  const { workingSetBytes: used = 0 } = cgroup.usage() ?? {};
  if (used <= memoryBytes) return;
  const message = `Cannot limit its memory to ${formatSize(memoryBytes)}: it uses ${formatSize(used)}`;
  throw new BerthError('WrongState', message, { field: 'resources.memoryBytes' });
}

function contextOf({ layout }: RuntimeParts, cgroup: Cgroup) {
  return {
    isV1: (controller: string) => layout.controllers.has(controller),
    below: cgroup.namesBelow('cpuset'),
    cpus: cgroup.read('cpuset.cpus')?.trim(),
    mems: cgroup.read('cpuset.mems')?.trim(),
  };
}

type Undo = () => Promise<void>;

/** @returns what takes them back */
async function writeAll(parts: RuntimeParts, cgroup: Cgroup, writes: readonly LimitWrite[]): Promise<Undo> {
  const placed = writes.flatMap((write): Placed[] => {
    const { file, value, below } = write;
    const at = below === undefined ? cgroup : cgroup.child(below);
    const before = at.read(file)?.trim();
    if (before === undefined && write.isOptional === true) return [];
    return [{ path: at.fileOf(file), value, before }];
  });
  const { done, failure } = await writeInOrder(parts, placed);
  const takeBack = async (): Promise<void> => {
    const undone = placed.slice(0, done).toReversed();
    const again = undone.flatMap(({ path, before }) => (before === undefined ? [] : [{ path, value: before }]));
    const { failure: later } = await writeInOrder(parts, again);
    if (later !== undefined) throw later;
  };
  if (failure === undefined) return takeBack;
  await takeBack();
  throw failure;
}

interface Placed {
  readonly path: string;
  readonly value: string;
  readonly before?: string | undefined;
}

/**
 * In a process of its own, which can be killed when it waits for memory. It says a line for each write that is done, and
 * ends with the first one that is not.
 */
async function writeInOrder(
  { children }: RuntimeParts,
  writes: readonly Placed[],
): Promise<{ readonly done: number; readonly failure: BerthError | undefined }> {
  if (writes.length === 0) return { done: 0, failure: undefined };
  const words = writes.flatMap(({ path, value }) => [path, value]);
  try {
    const args = ['-c', WRITE, 'berth-update', ...words];
    const { code, stdout, stderr } = await children.run('/bin/sh', args, { deadlineMs: WRITE_WITHIN_MS });
    const done = stdout.split('\n').length - 1;
    return { done, failure: code === 0 ? undefined : refusal(writes[done]?.path ?? '', stderr) };
  } catch (error) {
    // How far it got is not known: all of them are taken back, and a write that was not made changes nothing.
    const message = `Cannot change its limits: ${messageOf(error)}`;
    return { done: writes.length, failure: new BerthError('DeadlineExceeded', message, { cause: error }) };
  }
}

/** `env`, because the shell's own printf does not say what the kernel has against a write. */
const WRITE = 'while [ $# -gt 0 ]; do env printf %s "$2" > "$1" || exit 1; echo done; shift 2; done';

function refusal(path: string, stderr: string): BerthError {
  const file = path.slice(path.lastIndexOf('/') + 1);
  const reason = /: ([^:\n]+)$/.exec(stderr.trim())?.[1] ?? 'it gave no reason';
  const code = reason.includes('busy')
    ? 'WrongState'
    : /Invalid argument|out of range/.test(reason)
      ? 'InvalidArgument'
      : 'Internal';
  return new BerthError(code, `Cannot change its limits: the kernel refuses ${file}: ${reason}`);
}

/**
 * Which weight of v2 is which number of shares is the runtime's affair: versions of it differ, and what is changed to
 * what it is must stay what it is.
 */
async function moveWeight(
  parts: RuntimeParts,
  run: RunRef,
  cgroup: Cgroup,
  from: Resources,
  { cpuShares }: Resources,
): Promise<Undo | undefined> {
  if (parts.layout.controllers.has('cpu') || cpuShares === undefined || cpuShares === from.cpuShares) return undefined;
  const before = cgroup.read('cpu.weight')?.trim();
  const verb = ['update', `--cpu-share=${cpuShares}`, runtimeIdOf(run.containerId, run.number)];
  await parts.memory.gateOf(run).pass(() => parts.cli.call(verb, WRITE_WITHIN_MS));
  if (before === undefined) return undefined;
  return async () => void (await writeInOrder(parts, [{ path: cgroup.fileOf('cpu.weight'), value: before }]));
}
