import { throwIfAborted } from '../base/abort.ts';
import { BerthError } from '../base/errors.ts';
import type { BlobRef } from './documents.ts';
import { pause } from './registry/pause.ts';
import { bodyOf } from './registry/send.ts';
import type { RegistryServer } from './registry/server.ts';
import { Setback } from './registry/setback.ts';
import type { OpenBlob, Source } from './registry/source.ts';
import type { StagedFile, StagedWriter, Staging } from './staging.ts';

export interface DownloadOptions {
  readonly staging: Staging;
  readonly signal: AbortSignal;
  /** Bytes so far. */
  readonly onBytes: (bytes: number) => void;
}

/** Less than this is as good as nothing: a server that sends a byte at a time would be asked for ever. */
const LEAST_PROGRESS_BYTES = 64 << 10;

/**
 * Gets a blob into a file. A connection that is cut or stands still is taken up where it broke off, as often as need be
 * while something comes each time; content with another digest is asked for at the next server.
 * @throws BerthError as the port's `pull`
 */
export async function download(source: Source, blob: BlobRef, options: DownloadOptions): Promise<StagedFile> {
  const liars = new Set<RegistryServer>();
  for (;;) {
    await using writer = await options.staging.create();
    const server = await receive(source, blob, writer, liars, options);
    const file = writer.finish();
    if (file.digest === blob.digest && file.sizeBytes === blob.size) return file;
    await options.staging.remove(file);
    liars.add(server);
    if (liars.size === source.pullable.length) throw notWhatItSays(blob, file, server);
  }
}

/** Returns the server that its beginning came from. */
async function receive(
  source: Source,
  blob: BlobRef,
  writer: StagedWriter,
  liars: ReadonlySet<RegistryServer>,
  options: DownloadOptions,
): Promise<RegistryServer> {
  const { attempts, firstWaitMs, stallMs } = source.settings;
  const { signal } = options;
  let first: RegistryServer | undefined;
  let round = 1;
  /** What kept each server from sending anything more in this round. */
  const setbacks = new Map<RegistryServer, Setback>();
  for (;;) {
    const offset = writer.sizeBytes;
    const open = await openNext(source, blob, { offset, liars, setbacks, signal });
    if (open !== undefined) {
      if (open.offset < offset) await writer.restart();
      if (open.offset === 0) first = open.server;
      const setback = await take(open, blob, writer, stallMs, options);
      if (setback === undefined) return first ?? open.server;
      if (writer.sizeBytes >= offset + LEAST_PROGRESS_BYTES) {
        setbacks.clear();
        round = 1;
      } else setbacks.set(open.server, setback);
      continue;
    }
    const isHopeless = [...setbacks.values()].every(({ code }) => code === 'DeadlineExceeded');
    if (isHopeless || round >= attempts) throw gaveUp(blob, writer, setbacks);
    await pause(firstWaitMs * 2 ** (round - 1), signal);
    setbacks.clear();
    round += 1;
  }
}

interface NextOptions {
  readonly offset: number;
  readonly liars: ReadonlySet<RegistryServer>;
  readonly setbacks: ReadonlyMap<RegistryServer, Setback>;
  readonly signal: AbortSignal;
}

/** Undefined when each server that has the blob has sent nothing more in this round. */
async function openNext(
  source: Source,
  blob: BlobRef,
  { offset, liars, setbacks, signal }: NextOptions,
): Promise<OpenBlob | undefined> {
  const except = new Set([...liars, ...setbacks.keys()]);
  if (source.pullable.every((server) => except.has(server))) return undefined;
  try {
    return await source.openBlob(blob, { offset, except, signal });
  } catch (error) {
    if (setbacks.size === 0 || signal.aborted || !(error instanceof BerthError)) throw error;
    return undefined; // those that are left do not have it
  }
}

/** Returns what kept the blob from coming to its end. Of one that is longer than it should be, the rest is not read. */
async function take(
  { answer }: OpenBlob,
  { size }: BlobRef,
  writer: StagedWriter,
  stallMs: number,
  { signal, onBytes }: DownloadOptions,
): Promise<Setback | undefined> {
  try {
    for await (const chunk of bodyOf(answer, { stallMs, signal })) {
      throwIfAborted(signal);
      await writer.write(chunk);
      onBytes(Math.min(writer.sizeBytes, size));
      if (writer.sizeBytes > size) return undefined;
    }
  } catch (error) {
    if (!(error instanceof Setback)) throw error;
    return writer.sizeBytes === size ? undefined : error;
  }
  return writer.sizeBytes < size ? new Setback('Unavailable', 'ends its answer') : undefined;
}

function gaveUp({ digest, size }: BlobRef, { sizeBytes }: StagedWriter, setbacks: NextOptions['setbacks']): BerthError {
  const reasons = [...setbacks].map(([{ host }, { message }]) => `${host} ${message}`).join('; ');
  const [last] = [...setbacks.values()].toReversed();
  const message = `Cannot get blob ${digest}: after ${sizeBytes} of ${size} bytes ${reasons}`;
  return new BerthError(last?.code ?? 'Unavailable', message, { cause: last });
}

function notWhatItSays({ digest, size }: BlobRef, { digest: found, sizeBytes }: StagedFile, { host }: RegistryServer) {
  const fact =
    sizeBytes === size
      ? `has digest ${found}`
      : `has ${sizeBytes > size ? 'more' : 'less'} than the ${size} bytes it should have`;
  return new BerthError('InvalidArgument', `Cannot get blob ${digest}: what ${host} sends ${fact}`);
}
