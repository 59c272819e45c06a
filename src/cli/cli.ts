import type { Client } from '../client/index.ts';
import { neutralise } from './print/neutral.ts';
import type { Output } from './print/output.ts';

/** What a command has to work with. Data goes to `out`, everything else to `err`. */
export interface Cli {
  readonly client: Client;
  readonly out: Output;
  readonly err: Output;
  /** What the process will exit with. */
  exitCode: number;
}

/** Says something beside the data, in one line. */
export function tell(cli: Pick<Cli, 'err'>, message: string): Promise<void> {
  return cli.err.line(`berth: ${neutralise(message)}`);
}
