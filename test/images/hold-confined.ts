import { runConfined } from '../../src/images/confine.ts';
import { Children } from '../../src/linux/children.ts';

/** A daemon with a confined process that does not end. Arguments: the folder for its root, the layer, how long it sleeps. */
const [, , rootFolder = '', layer = '', seconds = ''] = process.argv;

await runConfined(new Children(() => false), {
  rootFolder,
  layer,
  command: ['sh', '-c', 'echo going; exec sleep "$1"', 'sh', seconds],
  signal: new AbortController().signal,
  onOutput: (chunk) => process.stdout.write(chunk),
});
