import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { Cgroup } from '../../src/linux/cgroup.ts';
import { detectCgroupLayout } from '../../src/linux/cgroup-layout.ts';
import type { CgroupLayout } from '../../src/linux/cgroup-layout.ts';
import { joinCgroups } from './cgroups.ts';

export const layout = detectCgroupLayout();

/** What a hybrid host looks like to an engine that finds no v2 tree. */
const pureV1: CgroupLayout = { ...layout, mode: 'v1', unified: undefined };

/** The layouts that this host can show. */
export const layouts: readonly CgroupLayout[] = layout.mode === 'hybrid' ? [layout, pureV1] : [layout];

/** Counts its SIGTERMs in its output. */
export const COUNTER = 'trap "echo TERM" TERM; echo going; while :; do sleep 1000 & wait $!; done';

export interface ProcessInCgroup {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly output: () => string;
}

export function freshCgroup(on: CgroupLayout = layout): Cgroup {
  return new Cgroup(on, `/berth-test-${randomBytes(4).toString('hex')}`);
}

/** Runs a shell script that says "going" when it is ready; all that it starts is in the cgroup as well. */
export async function startIn(cgroup: Cgroup, script = COUNTER, on = layout): Promise<ProcessInCgroup> {
  const child = spawn('/bin/sh', ['-c', `read -r go; ${script}`], { stdio: ['pipe', 'pipe', 'ignore'] });
  const { pid } = child;
  assert.ok(pid);
  let output = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  joinCgroups(on, cgroup, pid);
  child.stdin.write('go\n');
  while (!output.includes('going')) await once(child.stdout, 'data');
  return { child, pid, output: () => output };
}

export async function removeWhenEmpty(cgroup: Cgroup): Promise<void> {
  while (cgroup.pids().length > 0) await sleepFor(1);
  cgroup.remove();
}
