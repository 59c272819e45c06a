/**
 * Stands for a daemon that arms a guard and dies: arms one, freezes and signals as told, says "ready" and waits to be
 * killed. Arguments: cgroup path, run folder, pid, killAt in ms from now or `never`, then the steps: open, freeze, send,
 * close.
 */
import { setTimeout as sleepFor } from 'node:timers/promises';
import { boottime } from '../../src/linux/abi.ts';
import { Cgroup } from '../../src/linux/cgroup.ts';
import { detectCgroupLayout } from '../../src/linux/cgroup-layout.ts';
import { Children } from '../../src/linux/children.ts';
import { Pidfd, identify, readBootId } from '../../src/linux/process.ts';
import { armGuard } from '../../src/runtime/guard.ts';

const [cgroupPath = '', runFolder = '', pid = '', killIn = '', mode = '', ...steps] = process.argv.slice(2);
const bootId = readBootId();
const layout = detectCgroupLayout();
const cgroup = new Cgroup(mode === 'v1' ? { ...layout, mode: 'v1', unified: undefined } : layout, cgroupPath);
const init = identify(bootId, Number(pid));
if (init === undefined) throw new Error(`no process ${pid}`);
const guard = await armGuard(new Children(() => false), bootId, {
  runFolder,
  killAt: killIn === 'never' ? undefined : boottime() + Number(killIn),
  init,
  signal: 15,
  descriptors: cgroup.openKillDescriptors(),
});
for (const step of steps) {
  if (step === 'open') guard.openWindow();
  if (step === 'freeze') await cgroup.freeze(1_000);
  if (step === 'send') Pidfd.open(init, bootId)?.signal(15);
  if (step === 'thaw') cgroup.thaw();
  if (step === 'close') guard.closeWindow();
}
process.stdout.write(`ready ${guard.identity.pid}\n`);
await sleepFor(60_000);
