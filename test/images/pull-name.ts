import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { silentLog } from '../../src/base/log.ts';
import { openImages } from '../../src/images/index.ts';
import { Children } from '../../src/linux/children.ts';
import { NamespaceThread } from '../../src/linux/namespaces.ts';
import { TEST_REGISTRIES } from '../support/registry-settings.ts';

/**
 * A daemon that pulls one image, and says each step once; at the end, by how many bytes it has grown at most, and for how
 * many ms its event loop was blocked at most. Arguments: root, run root, name.
 */
const [, , root = '', runRoot = '', name = ''] = process.argv;

const images = await openImages({
  root,
  runRoot,
  children: new Children(() => false),
  thread: new NamespaceThread(),
  log: silentLog,
  limits: { largestUnpackedBytes: 1 << 30, mostEntries: 1_000_000 },
  registries: TEST_REGISTRIES,
  pinned: [],
});
const said = new Set<string>();
const before = process.memoryUsage.rss();
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
await images.pull({
  name,
  signal: new AbortController().signal,
  onProgress: ({ step, bytes }) => {
    const isNews = bytes > 0 && !said.has(step);
    if (isNews) process.stdout.write(`${step}\n`);
    if (isNews) said.add(step);
  },
});
// Not what resourceUsage() says: that counts the process that this one was started by.
const peak = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1_024;
process.stdout.write(`grown ${peak - before} blocked ${Math.round(delay.max / 1e6)}\n`);
process.exit(0);
