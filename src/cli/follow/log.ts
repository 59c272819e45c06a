import type { LogOptions, LogRecord } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { tell } from '../cli.ts';
import { persist } from './persist.ts';
import type { Persistence } from './persist.ts';
import { LogPosition } from './position.ts';

export interface Followed {
  readonly id: string;
  readonly name: string;
}

/** Hands on a container's log until its run is over, also across restarts of the daemon. */
export async function followLog(
  cli: Cli,
  { id, name }: Followed,
  options: Pick<LogOptions, 'tail' | 'since' | 'signal'> & Pick<Persistence, 'wasHeard'>,
  take: (record: LogRecord) => Promise<void>,
): Promise<void> {
  const position = new LogPosition();
  const { wasHeard = false, ...range } = options;
  const persistence = {
    client: cli.client,
    wasHeard,
    what: `follow the log of container "${name}"`,
    tell: (message: string) => tell(cli, message),
  };
  await persist(persistence, async () => {
    position.restart();
    const { since } = position;
    const { signal } = range;
    const from = since === undefined ? range : { since, ...(signal === undefined ? {} : { signal }) };
    for await (const record of cli.client.containers.logs(id, { ...from, isFollowing: true })) {
      if (position.accept(record)) await take(record);
    }
  });
}
