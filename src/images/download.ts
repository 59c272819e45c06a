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

/**
 * Gets a blob into a file. A connection that is cut or stands still is taken up where it broke off, as often as need be
 * while something comes each time; content with another digest is asked for at the next server.
 * @throws BerthError as the port's `pull`
 */
export async function download(source: Source, blob: BlobRef, options: DownloadOptions): Promise<StagedFile> {
  const liars = new Set<RegistryServer>();
  for (;;) {
    await using writer = await options.staging.create();
    const [server] = await receive(source, blob, writer, liars, options);
    const file = writer.finish();
    if (file.digest === blob.digest && file.sizeBytes === blob.size) return file;
    await options.staging.remove(file);
    liars.add(server);
    if (liars.size === source.pullable.length) throw notWhatItSays(blob, file, server);
  }
}

/** Returns the servers that it came from, in that order. */
async function receive(
  source: Source,
  blob: BlobRef,
  writer: StagedWriter,
  except: ReadonlySet<RegistryServer>,
  options: DownloadOptions,
): Promise<[RegistryServer, ...RegistryServer[]]> {
  const { attempts, firstWaitMs } = source.settings;
  const { signal } = options;
  const from: RegistryServer[] = [];
  for (let setbacks = 0; ; ) {
    const before = writer.sizeBytes;
    const open = await source.openBlob(blob, { offset: before, except, signal });
    if (open.offset < before) await writer.restart();
    if (open.offset === 0) from.length = 0;
    from.push(open.server);
    const setback = await take(open, blob, writer, source.settings.stallMs, options);
    if (setback === undefined) return [from[0] ?? open.server, ...from.slice(1)];
    setbacks = writer.sizeBytes > before ? 0 : setbacks + 1;
    const isHopeless = setback.code === 'DeadlineExceeded' && setbacks > 0;
    if (isHopeless || setbacks >= attempts) throw gaveUp(blob, writer, open.server, setback);
    if (setbacks > 0) await pause(firstWaitMs * 2 ** (setbacks - 1), signal);
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

function gaveUp({ digest, size }: BlobRef, { sizeBytes }: StagedWriter, { host }: RegistryServer, reason: Setback) {
  const fact = `after ${sizeBytes} of ${size} bytes ${host} ${reason.message}`;
  return new BerthError(reason.code, `Cannot get blob ${digest}: ${fact}`, { cause: reason });
}

function notWhatItSays({ digest, size }: BlobRef, { digest: found, sizeBytes }: StagedFile, { host }: RegistryServer) {
  const fact =
    sizeBytes === size
      ? `has digest ${found}`
      : `has ${sizeBytes > size ? 'more' : 'less'} than the ${size} bytes it should have`;
  return new BerthError('InvalidArgument', `Cannot get blob ${digest}: what ${host} sends ${fact}`);
}
