import { spawnSync } from 'node:child_process';
import { keepInheritedDescriptors } from '../../src/linux/inherited.ts';

/** Prints whether its child has descriptor 200, before and after. */
const isHandedOn = (): boolean =>
  spawnSync('ls', ['/proc/self/fd'], { encoding: 'utf8' }).stdout.split('\n').includes('200');

const before = isHandedOn();
keepInheritedDescriptors();
process.stdout.write(`${JSON.stringify([before, isHandedOn()])}\n`);
