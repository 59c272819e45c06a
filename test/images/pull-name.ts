import { silentLog } from '../../src/base/log.ts';
import { openImages } from '../../src/images/index.ts';
import { Children } from '../../src/linux/children.ts';
import { NamespaceThread } from '../../src/linux/namespaces.ts';
import { TEST_REGISTRIES } from '../support/registry-settings.ts';

/** A daemon that pulls one image, and says each step once. Arguments: root, run root, name. */
const [, , root = '', runRoot = '', name = ''] = process.argv;

const images = await openImages({
  root,
  runRoot,
  children: new Children(() => false),
  thread: new NamespaceThread(),
  log: silentLog,
  limits: { largestUnpackedBytes: 1 << 30, mostEntries: 10_000 },
  registries: TEST_REGISTRIES,
  pinned: [],
});
const said = new Set<string>();
await images.pull({
  name,
  signal: new AbortController().signal,
  onProgress: ({ step, bytes }) => {
    const isNews = bytes > 0 && !said.has(step);
    if (isNews) process.stdout.write(`${step}\n`);
    if (isNews) said.add(step);
  },
});
