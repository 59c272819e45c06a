import { createReadStream } from 'node:fs';
import { silentLog } from '../../src/base/log.ts';
import { openImages } from '../../src/images/index.ts';
import { Children } from '../../src/linux/children.ts';
import { NamespaceThread } from '../../src/linux/namespaces.ts';
import { TEST_REGISTRIES } from '../support/registry-settings.ts';

/** A daemon that imports one archive, and says so when it unpacks. Arguments: root, run root, archive. */
const [, , root = '', runRoot = '', archive = ''] = process.argv;

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
await images.import({
  content: createReadStream(archive),
  signal: new AbortController().signal,
  onProgress: ({ step }) => step === 'layer' && process.stdout.write('unpacking\n'),
});
