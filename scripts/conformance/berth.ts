import { writeFileSync } from 'node:fs';
import { connect } from '../../src/client/index.ts';
import type { Lab, RuntimeUnderTest } from './lab.ts';
import { Service, answers } from './service.ts';

const BERTH = new URL('../../berth', import.meta.url).pathname;

/** A berth daemon with folders, cgroups and sockets of its own. */
export async function startBerth(lab: Lab): Promise<RuntimeUnderTest> {
  const run = `${lab.folder}/run`;
  const socket = `${run}/cri.sock`;
  writeFileSync(`${lab.folder}/config.toml`, configOf(lab, run, socket));
  const daemon = new Service([BERTH, 'serve', '--config', `${lab.folder}/config.toml`], `${lab.folder}/daemon.log`);
  const client = connect({ socket: `${run}/berth.sock` });
  await daemon.untilReady(async () => (await answers(socket)) && (await client.version()).isRecovered);
  return { socket, log: daemon.log, [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() };
}

/** Every key that the suite's set-up needs is here. */
function configOf(lab: Lab, run: string, socket: string): string {
  return `[paths]
state = "${lab.folder}/state"
run = "${run}"

[cgroup]
parent = "${lab.cgroup}"

[log]
level = "debug"

[cri]
socket = "${socket}"

[network]
conf_dir = "${lab.networks}"

[pull]
config_path =  "${lab.mirrors}"
`;
}
