import type { LogRecord } from '../../client/index.ts';
import type { Cli } from '../cli.ts';

/**
 * Writes records as the container printed them, byte for byte, each to the stream that it was printed to.
 * @param hasTimes puts the time before each line
 */
export function logSink(
  { out, err }: Pick<Cli, 'out' | 'err'>,
  hasTimes = false,
): (record: LogRecord) => Promise<void> {
  const inLine = { stdout: false, stderr: false };
  return ({ time, stream, text, data, isPartial }) => {
    const prefix = hasTimes && !inLine[stream] ? `${time} ` : '';
    const end = isPartial === true ? '' : '\n';
    inLine[stream] = isPartial === true;
    const line =
      data === undefined
        ? `${prefix}${text ?? ''}${end}`
        : Buffer.concat([Buffer.from(prefix), Buffer.from(data, 'base64'), Buffer.from(end)]);
    return (stream === 'stdout' ? out : err).write(line);
  };
}
