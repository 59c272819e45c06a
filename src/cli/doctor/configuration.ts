import { messageOf } from '../../base/errors.ts';
import type { Finding } from './finding.ts';
import { error, ok } from './finding.ts';
import type { Program } from './programs.ts';
import { USUAL_PROGRAMS } from './programs.ts';

/** What the other checks need of the configuration. */
export interface Settings {
  readonly findings: readonly Finding[];
  readonly stateFolder: string;
  readonly programs: readonly Program[];
}

const DEFAULTS = { stateFolder: '/var/lib/berth', runtimes: ['crun'], monitor: 'conmon' } as const;

/** Reads it with the daemon's own code, which may turn out not to load here, and examines the network that it asks for. */
export async function examineConfiguration(): Promise<Settings> {
  try {
    const { examineNetwork, readConfig } = await import('../../daemon/index.ts');
    const { paths, runtime, monitor, network } = readConfig(undefined);
    const runtimes = Object.values(runtime.handlers).map(({ path }) => path);
    const findings = [ok('The configuration can be read'), ...(await examineNetwork(network))];
    return settings(findings, paths.state, runtimes, monitor.path);
  } catch (failure) {
    const finding = error(messageOf(failure), 'see "berth serve --check"');
    return settings([finding], DEFAULTS.stateFolder, DEFAULTS.runtimes, DEFAULTS.monitor);
  }
}

function settings(
  findings: readonly Finding[],
  stateFolder: string,
  runtimes: readonly string[],
  monitor: string,
): Settings {
  const ours = [...runtimes, monitor].map((path) => ({ path, inPackage: path.slice(path.lastIndexOf('/') + 1) }));
  return { findings, stateFolder, programs: [...ours, ...USUAL_PROGRAMS] };
}
