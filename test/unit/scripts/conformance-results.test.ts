import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatResults, readResults } from '../../../scripts/conformance/results.ts';
import type { Results } from '../../../scripts/conformance/results.ts';

const SPEC = { LeafNodeType: 'It', ContainerHierarchyTexts: ['[k8s.io] Image Manager'], RunTime: 1_500_000_000 };
const AT = { FileName: '/src/pkg/validate/image.go', LineNumber: 74 };

test('a spec that skips itself is a result, and one that was not selected is none', () => {
  const { specs, unselected } = resultsOf([
    {
      ...SPEC,
      LeafNodeText: 'asks',
      LeafNodeLocation: AT,
      State: 'skipped',
      Failure: { Message: 'no NRI', Location: AT },
    },
    { ...SPEC, LeafNodeText: 'is not meant', LeafNodeLocation: AT, State: 'skipped' },
  ]);

  assert.deepEqual(specs, [
    {
      place: 'image.go:74',
      name: '[k8s.io] Image Manager asks',
      outcome: 'skipped',
      reason: 'no NRI',
      seconds: 1.5,
    },
  ]);
  assert.equal(unselected, 1);
});

test('whatever ends a spec but success and its own skip is a failure, with its place', () => {
  const failure = { Message: 'expected\n    true', Location: { FileName: '/src/util.go', LineNumber: 406 } };
  const { specs } = resultsOf(
    ['failed', 'panicked', 'timedout', 'interrupted', 'aborted'].map((State) => ({
      ...SPEC,
      LeafNodeText: 'pulls',
      LeafNodeLocation: AT,
      State,
      Failure: failure,
    })),
  );

  assert.deepEqual(new Set(specs.map(({ outcome }) => outcome)), new Set(['failed']));
  assert.equal(specs[1]?.reason, 'expected true (panicked at util.go:406)');
});

test('what sets the suite up counts only when it fails', () => {
  const setUp = { ...SPEC, LeafNodeType: 'BeforeSuite', LeafNodeText: '', LeafNodeLocation: AT };

  assert.equal(resultsOf([{ ...setUp, State: 'passed' }]).specs.length, 0);
  assert.equal(resultsOf([{ ...setUp, State: 'failed' }]).specs.length, 1);
});

test('the table has a line for each file of specs, and every reason once', () => {
  const skipped = { ...SPEC, State: 'skipped', Failure: { Message: 'no NRI', Location: AT } };
  const nri = { FileName: '/src/nri.go', LineNumber: 1 };
  const table = formatResults(
    resultsOf([
      { ...SPEC, LeafNodeText: 'pulls', LeafNodeLocation: AT, State: 'passed' },
      { ...skipped, LeafNodeText: 'one', LeafNodeLocation: nri },
      { ...skipped, LeafNodeText: 'two', LeafNodeLocation: { ...nri, LineNumber: 2 } },
    ]),
  );

  assert.match(table, /^image\.go +1 +0 +0 +1\.5$/m);
  assert.match(table, /^nri\.go +0 +0 +2 +3\.0$/m);
  assert.match(table, /^all +1 +0 +2 +4\.5$/m);
  assert.match(table, /nri\.go:1 .* one\n {2}nri\.go:2 .* two\n {6}no NRI$/);
  assert.match(table, /seed 7/);
});

function resultsOf(nodes: readonly object[]): Results {
  const folder = mkdtempSync(join(tmpdir(), 'berth-results-'));
  try {
    const file = `${folder}/report.json`;
    writeFileSync(file, JSON.stringify([{ SuiteConfig: { RandomSeed: 7 }, SpecReports: nodes }]));
    return readResults(file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
