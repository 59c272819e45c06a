/**
 * Runs critest in this process's own namespaces: what scripts/conformance.sh has made ready. Options:
 *   --runtime berth|containerd   whom to test; containerd is the host's, to see whether suite and images are sound
 *   --report FOLDER              where reports and logs go; .cache/conformance when absent
 *   --replace-digest             give the spec whose image only its makers have one of ours; say so with the result
 *   --skip REGEX, --seed N, --parallel N
 */
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../src/base/errors.ts';
import { serveTestImages } from '../test/support/conformance-images.ts';
import { startBerth } from './conformance/berth.ts';
import { startContainerd } from './conformance/containerd.ts';
import { replaceDigest, runCritest } from './conformance/critest.ts';
import { leftOn, privateHost } from './conformance/host.ts';
import { makeLab } from './conformance/lab.ts';
import type { Lab, RuntimeUnderTest } from './conformance/lab.ts';
import { formatResults, readResults } from './conformance/results.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    folder: { type: 'string', default: '' },
    cgroup: { type: 'string', default: '' },
    runtime: { type: 'string', default: 'berth' },
    report: { type: 'string', default: '.cache/conformance' },
    'replace-digest': { type: 'boolean', default: false },
    skip: { type: 'string' },
    seed: { type: 'string' },
    parallel: { type: 'string', default: '1' },
  },
});
const [focus, ...flags] = positionals;
const report = resolve(values.report);
const starts: Readonly<Record<string, (lab: Lab) => Promise<RuntimeUnderTest>>> = {
  berth: startBerth,
  containerd: startContainerd,
};
const start = starts[values.runtime];
if (start === undefined) throw new Error(`Cannot test "${values.runtime}": must be berth or containerd`);

mkdirSync(report, { recursive: true });
rmSync(`${report}/report.json`, { force: true }); // that of an earlier run
await using registry = await serveTestImages();
const lab = makeLab(values.folder, values.cgroup, registry.address);
const own = process.env['BERTH_CRITEST'] ?? 'critest';
const critest = values['replace-digest'] ? await replaceDigest(own, lab, registry.address) : own;
console.log(`running ${own}${values['replace-digest'] ? ' with a digest of ours' : ''} against ${values.runtime}`);

const before = privateHost(lab);
const problems: string[] = [];
await testRuntime(start).catch((error: unknown) => problems.push(messageOf(error)));
problems.push(...leftOn(before, privateHost(lab)).map((line) => `left on the host: ${line}`));

if (existsSync(`${report}/report.json`)) tellResults();
for (const problem of problems) console.log(problem);
if (problems.length > 0) process.exitCode = 1;

function tellResults(): void {
  const results = readResults(`${report}/report.json`);
  const summary = formatResults(results);
  writeFileSync(`${report}/summary.txt`, `${summary}\n`);
  console.log(`${summary}\n\nreports and logs: ${report}`);
  if (results.specs.length === 0 || results.specs.some(({ outcome }) => outcome === 'failed')) process.exitCode = 1;
}

async function testRuntime(startRuntime: (lab: Lab) => Promise<RuntimeUnderTest>): Promise<void> {
  await using runtime = await startRuntime(lab);
  try {
    const parallel = Number(values.parallel);
    await runCritest(critest, runtime, lab, { focus, skip: values.skip, seed: values.seed, parallel, flags, report });
  } finally {
    copyFileSync(runtime.log, `${report}/daemon.log`);
  }
}
