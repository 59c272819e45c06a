import { readFileSync, writeFileSync } from 'node:fs';
import { CONFORMANCE_IMAGES } from '../../test/support/conformance-images.ts';
import type { Lab, RuntimeUnderTest } from './lab.ts';
import { Service } from './service.ts';

/** The host's containerd, with folders and sockets of its own: to see whether suite and images are sound. */
export async function startContainerd(lab: Lab): Promise<RuntimeUnderTest> {
  const socket = `${lab.folder}/containerd.sock`;
  const config = `${lab.folder}/containerd.toml`;
  writeFileSync(config, configOf(lab, socket));
  const daemon = new Service(['containerd', '--config', config], `${lab.folder}/daemon.log`);
  await daemon.untilReady(() => Promise.resolve(readFileSync(daemon.log, 'utf8').includes('successfully booted')));
  return { socket, log: daemon.log, [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() };
}

/** @see containerd 1.6 docs/cri/config.md */
function configOf(lab: Lab, socket: string): string {
  return `version = 2
root = "${lab.folder}/root"
state = "${lab.folder}/state"

[grpc]
address = "${socket}"

[plugins."io.containerd.internal.v1.opt"]
path = "${lab.folder}/opt"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${CONFORMANCE_IMAGES.sandboxPause.names[0]}"
restrict_oom_score_adj = true # a host without CAP_SYS_RESOURCE is a host too

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "${lab.networks}"

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "${lab.mirrors}"
`;
}
