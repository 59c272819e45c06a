import type { CommandVersion } from '../status.ts';

/** How a message carries its channel's number and its bytes. */
export interface ChannelProtocol {
  readonly version: CommandVersion;
  readonly encoding: 'binary' | 'base64';
}

/** @see k8s.io/streaming/pkg/httpstream/wsstream; v5 adds the close signal */
export const COMMAND_PROTOCOLS = {
  'v5.channel.k8s.io': { version: 5, encoding: 'binary' },
  'v4.channel.k8s.io': { version: 4, encoding: 'binary' },
  'v4.base64.channel.k8s.io': { version: 4, encoding: 'base64' },
  'channel.k8s.io': { version: 1, encoding: 'binary' },
  'base64.channel.k8s.io': { version: 1, encoding: 'base64' },
} as const satisfies Record<string, ChannelProtocol>;

/** One channel pair for each port of the order. */
export const PORT_PROTOCOLS = {
  'v4.channel.k8s.io': { version: 4, encoding: 'binary' },
  'v4.base64.channel.k8s.io': { version: 4, encoding: 'base64' },
} as const satisfies Record<string, ChannelProtocol>;

/** A client that offers nothing speaks the oldest form. */
export const WITHOUT_PROTOCOL: ChannelProtocol = { version: 1, encoding: 'binary' };

export interface Message {
  readonly channel: number;
  readonly data: Buffer;
}

const CLOSE_SIGNAL = 255;
const DIGIT_0 = 0x30;

/** What goes into one message: a text for base64, else bytes. */
export function encodeMessage({ encoding }: ChannelProtocol, { channel, data }: Message): string | Buffer {
  if (encoding === 'base64') return String.fromCharCode(DIGIT_0 + channel) + data.toString('base64');
  return Buffer.concat([Buffer.from([channel]), data]);
}

/** @returns undefined when there is no channel in it */
export function decodeMessage({ encoding }: ChannelProtocol, message: Buffer): Message | undefined {
  const [first] = message;
  if (first === undefined) return undefined;
  if (encoding === 'binary') return { channel: first, data: message.subarray(1) };
  return { channel: first - DIGIT_0, data: Buffer.from(message.toString('latin1', 1), 'base64') };
}

/** @returns the channel on which nothing more comes */
export function closedChannel({ version }: ChannelProtocol, { channel, data }: Message): number | undefined {
  return version >= 5 && channel === CLOSE_SIGNAL && data.length === 1 ? data[0] : undefined;
}
