import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkResources, mergeResources } from '../../../src/engine/container/resources.ts';
import type { Resources } from '../../../src/engine/container/spec.ts';

const MIB = 1 << 20;

/** Before, what is asked for, and what holds then. */
const ROWS: readonly (readonly [string, Resources, Resources, Resources])[] = [
  ['nothing', { pids: 5 }, {}, { pids: 5 }],
  ['what is named', { pids: 5, cpuShares: 2 }, { cpuShares: 3 }, { pids: 5, cpuShares: 3 }],
  [
    'memory takes its swap along',
    { memoryBytes: 10, memorySwapBytes: 15 },
    { memoryBytes: 20 },
    { memoryBytes: 20, memorySwapBytes: 25 },
  ],
  [
    'none stays none',
    { memoryBytes: 10, memorySwapBytes: 10 },
    { memoryBytes: 20 },
    { memoryBytes: 20, memorySwapBytes: 20 },
  ],
  [
    'unlimited stays unlimited',
    { memoryBytes: 10, memorySwapBytes: -1 },
    { memoryBytes: 20 },
    { memoryBytes: 20, memorySwapBytes: -1 },
  ],
  ['swap that nobody has limited', { memoryBytes: 10 }, { memoryBytes: 20 }, { memoryBytes: 20 }],
  [
    'swap by itself',
    { memoryBytes: 10, memorySwapBytes: 10 },
    { memorySwapBytes: 30 },
    { memoryBytes: 10, memorySwapBytes: 30 },
  ],
  ['no limit any more', { memoryBytes: 10, memorySwapBytes: 10, pids: 1 }, { memoryBytes: -1 }, { pids: 1 }],
  ["a quota instead of processors' worth", { cpus: 2 }, { cpuQuotaUs: 5 }, { cpuQuotaUs: 5, cpuPeriodUs: 100_000 }],
  [
    'another period for the same worth',
    { cpus: 2 },
    { cpuPeriodUs: 50_000 },
    { cpuQuotaUs: 100_000, cpuPeriodUs: 50_000 },
  ],
  ["processors' worth instead of a quota", { cpuQuotaUs: 5, cpuPeriodUs: 10 }, { cpus: 1 }, { cpus: 1 }],
  [
    'huge pages by their size',
    { hugepageBytes: { '2MB': 1, '1GB': 2 } },
    { hugepageBytes: { '2MB': 3 } },
    { hugepageBytes: { '2MB': 3, '1GB': 2 } },
  ],
  [
    'files by their name',
    { unified: { 'memory.high': '1' } },
    { unified: { 'memory.low': '2' } },
    { unified: { 'memory.high': '1', 'memory.low': '2' } },
  ],
];

for (const [name, before, change, expected] of ROWS) {
  test(`changed limits: ${name}`, () => {
    assert.deepEqual(mergeResources(before, change), expected);
  });
}

test('limits that can never hold are refused with the field and the verb', () => {
  for (const [resources, field] of [
    [{ memoryBytes: 1 }, 'memoryBytes'],
    [{ memoryBytes: 20 * MIB, memorySwapBytes: 10 * MIB }, 'memorySwapBytes'],
    [{ memorySwapBytes: 10 * MIB }, 'memorySwapBytes'],
    [{ cpusetCpus: 'all' }, 'cpusetCpus'],
    [{ cpusetMems: '0-' }, 'cpusetMems'],
    [{ cpus: 1, cpuQuotaUs: 5 }, 'cpus'],
  ] as const) {
    assert.throws(() => checkResources(resources, 'update'), {
      code: 'InvalidArgument',
      field: `resources.${field}`,
      message: new RegExp(`^Cannot update container: resources.${field} is`),
    });
  }
  checkResources({ memoryBytes: 20 * MIB, memorySwapBytes: -1, cpusetCpus: '0-1,3' }, 'update');
});
