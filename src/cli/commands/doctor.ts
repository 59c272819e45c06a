import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { examineCgroups } from '../doctor/cgroups.ts';
import { examineConfiguration } from '../doctor/configuration.ts';
import { examineDaemon } from '../doctor/daemon.ts';
import { examineHost } from '../doctor/host.ts';
import { findingLines } from '../doctor/print-findings.ts';
import { examinePrograms } from '../doctor/programs.ts';
import { examineState } from '../doctor/state.ts';
import { usageError } from '../failure.ts';

interface DoctorFlags {
  readonly adopt?: string;
  readonly remove?: string;
  readonly json?: true;
}

export function doctor(command: Command, cli: Cli): void {
  command
    .description('Examines host and daemon, and says what to do about what it finds. Exits with 1 after an error.')
    .usage('[options]')
    .option('--adopt <id>', 'make a container of a run that lives and belongs to none')
    .option('--remove <id>', 'end such a run, and clean up after it')
    .option('--json', 'print what was found as one JSON array')
    .action((flags: DoctorFlags) => settleOrExamine(cli, flags));
}

async function settleOrExamine(cli: Cli, { adopt, remove, json }: DoctorFlags): Promise<void> {
  if (adopt !== undefined && remove !== undefined) {
    throw usageError('Cannot both adopt and remove: give one of --adopt and --remove');
  }
  if (adopt !== undefined) return cli.client.settleForeign(adopt, 'adopt');
  if (remove !== undefined) return cli.client.settleForeign(remove, 'remove');
  return examine(cli, json === true);
}

async function examine(cli: Cli, isJson: boolean): Promise<void> {
  const { findings, stateFolder, programs } = await examineConfiguration();
  const [ofPrograms, ofDaemon] = await Promise.all([examinePrograms(programs), examineDaemon(cli.client)]);
  const host = [...examineHost(), ...examineCgroups(), ...ofPrograms];
  const all = [...host, ...findings, ...examineState(stateFolder), ...ofDaemon];
  await (isJson ? cli.out.json(all) : cli.out.lines(findingLines(all)));
  if (all.some(({ level }) => level === 'error')) cli.exitCode = 1;
}
