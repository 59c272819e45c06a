import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { CONFORMANCE_IMAGES } from '../../test/support/conformance-images.ts';
import type { Lab, RuntimeUnderTest } from './lab.ts';

/** What the suite's only image by digest must be. @see cri-tools pkg/validate/image.go */
const DIGEST_OF_SUITE = '9700f9a2f5bf2c45f2f605a0bd3bce7cf37420ec9d3ed50ac2758413308766bf';

export interface CritestOptions {
  /** A regular expression on the names of specs; all when absent. */
  readonly focus: string | undefined;
  readonly skip: string | undefined;
  /** Of the order of the specs; by chance when absent. */
  readonly seed: string | undefined;
  /** How many specs may run at once; needs the suite's own `ginkgo` beside it or on the PATH. */
  readonly parallel: number;
  /** More flags, as they are. */
  readonly flags: readonly string[];
  /** Where its reports and output go. */
  readonly report: string;
}

/**
 * Runs the suite and resolves when it has ended, whatever the result. It writes report.json and junit.xml.
 * @throws Error with its last words when it could not run at all
 */
export async function runCritest(
  critest: string,
  runtime: RuntimeUnderTest,
  lab: Lab,
  options: CritestOptions,
): Promise<void> {
  const output = openSync(`${options.report}/critest.log`, 'w');
  // It reads a crictl.yaml of the folder above the one where it runs.
  const cwd = `${lab.folder}/critest/cwd`;
  mkdirSync(cwd, { recursive: true });
  const child = spawn(critest, flagsOf(runtime, options), {
    cwd,
    env: { PATH: process.env['PATH'], HOME: cwd, TMPDIR: lab.temporary },
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  await once(child, 'exit');
  if (existsSync(`${options.report}/report.json`)) return;
  const words = readFileSync(`${options.report}/critest.log`, 'utf8').split('\n').slice(-20).join('\n');
  throw new Error(`Cannot run critest: it ends with ${child.exitCode ?? child.signalCode}\n${words}`);
}

function flagsOf({ socket, nriSocket }: RuntimeUnderTest, options: CritestOptions): string[] {
  const { focus, skip, seed, parallel, flags, report } = options;
  return [
    `--runtime-endpoint=unix://${socket}`,
    ...(nriSocket === undefined ? [] : [`--nri-socket=${nriSocket}`]),
    '--ginkgo.timeout=1h',
    '--ginkgo.no-color',
    `--ginkgo.json-report=${report}/report.json`,
    `--ginkgo.junit-report=${report}/junit.xml`,
    ...(focus === undefined ? [] : [`--ginkgo.focus=${focus}`]),
    ...(skip === undefined ? [] : [`--ginkgo.skip=${skip}`]),
    ...(seed === undefined ? [] : [`--ginkgo.seed=${seed}`]),
    // Told in words, one is a mistake to it.
    ...(parallel === 1 ? [] : [`--parallel=${parallel}`]),
    ...flags,
  ];
}

/**
 * Makes a suite that asks for the digest of our image in place of its own makers' one, which no other image can have.
 * @param registry `HOST:PORT` of the test images
 * @returns the path of the new program
 */
export async function replaceDigest(critest: string, lab: Lab, registry: string): Promise<string> {
  const program = readFileSync(critest);
  const at = program.indexOf(DIGEST_OF_SUITE);
  if (at === -1 || program.includes(DIGEST_OF_SUITE, at + 1)) {
    throw new Error(`Cannot replace the digest in ${critest}: it is not in there exactly once`);
  }
  program.write(await digestOf(registry, CONFORMANCE_IMAGES.digest.names[0]), at, 'latin1');
  const path = `${lab.folder}/critest-with-own-digest`;
  writeFileSync(path, program, { mode: 0o755 });
  return path;
}

/** 64 hex digits. */
async function digestOf(registry: string, name: string): Promise<string> {
  const path = name.slice(name.indexOf('/') + 1).replace(':', '/manifests/');
  const answer = await fetch(`http://${registry}/v2/${path}`, {
    method: 'HEAD',
    headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
  });
  const digest = /^sha256:([0-9a-f]{64})$/.exec(answer.headers.get('docker-content-digest') ?? '')?.[1];
  if (digest === undefined) throw new Error(`Cannot find the digest of ${name}: the registry answers ${answer.status}`);
  return digest;
}
