import { readFile, writeFile } from 'node:fs/promises';
import { isMissing } from '../base/errors.ts';
import type { RunPlan } from '../engine/ports.ts';
import { ociSpec } from './oci-spec.ts';
import type { RuntimeParts } from './parts.ts';
import { cgroupOf } from './parts.ts';

const LOCALHOST = '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n';

/** Makes the run's folder: run.json first, so that whatever follows has an owner; then the bundle. */
export async function prepareRun(parts: RuntimeParts, plan: RunPlan): Promise<{ readonly rootfs: string }> {
  const { run, row, sandbox } = plan;
  const cgroupPath = cgroupOf(parts, run).path;
  const folder = await parts.folders.make(run, { version: 1, row, sandbox, cgroupPath });
  const rootfs = `${folder}/rootfs`;
  const etcFiles = await writeEtcFiles(folder, plan);
  const config = ociSpec({ spec: row.spec, pins: plan.pins, rootfs, cgroupPath, etcFiles, host: parts.host });
  await writeFile(`${folder}/config.json`, JSON.stringify(config), { mode: 0o600 });
  return { rootfs };
}

/** Copies, so that neither the host's files nor the image's are written to. */
async function writeEtcFiles(
  folder: string,
  { hostname, usesHostNetwork }: RunPlan,
): Promise<{ readonly source: string; readonly target: string }[]> {
  const hosts = usesHostNetwork ? await readHost('/etc/hosts') : `${LOCALHOST}127.0.1.1\t${hostname}\n`;
  const files = { hostname: `${hostname}\n`, hosts, 'resolv.conf': await readHost('/etc/resolv.conf') };
  return Promise.all(
    Object.entries(files).map(async ([name, text]) => {
      await writeFile(`${folder}/${name}`, text, { mode: 0o644 });
      return { source: `${folder}/${name}`, target: `/etc/${name}` };
    }),
  );
}

async function readHost(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return '';
    throw error;
  }
}
