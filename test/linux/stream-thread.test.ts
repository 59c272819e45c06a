import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs';
import { constants } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { close, pipe } from '../../src/linux/abi.ts';
import { StreamThread } from '../../src/linux/stream-thread.ts';
import type { StreamReader } from '../../src/linux/stream-thread.ts';
import { setNonblocking } from '../../src/linux/transfer.ts';

/** Keeps what it reads. */
class Kept implements StreamReader {
  readonly creditBytes: number;
  bytes = 0;
  isOver = false;

  constructor(creditBytes: number) {
    this.creditBytes = creditBytes;
  }

  onData(data: Uint8Array): void {
    this.bytes += data.length;
  }

  onEnd(): void {
    this.isOver = true;
  }
}

function openPipe(): { readonly readEnd: number; readonly writeEnd: number } {
  const ends = pipe();
  setNonblocking(ends.readEnd);
  setNonblocking(ends.writeEnd);
  return ends;
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await sleepFor(1);
}

test('bytes go from one descriptor to another, whole, and the end after them', async () => {
  await using thread = new StreamThread();
  const { readEnd, writeEnd } = openPipe();
  const kept = new Kept(100 << 20);
  using _ = thread.open(readEnd, { framing: 'bytes', reader: kept });
  const writer = thread.open(writeEnd, { framing: 'bytes' });

  const isTaken = await writer.write(Buffer.alloc(5_000_000));
  void writer.write(Buffer.alloc(300_000));
  writer.closeGently();
  await until(() => kept.isOver);

  assert.equal(isTaken, true);
  assert.equal(kept.bytes, 5_300_000);
});

test('no more is read than was granted', async () => {
  await using thread = new StreamThread();
  const { readEnd, writeEnd } = openPipe();
  const kept = new Kept(100_000);
  const reader = thread.open(readEnd, { framing: 'bytes', reader: kept });
  const writer = thread.open(writeEnd, { framing: 'bytes' });
  const written = writer.write(Buffer.alloc(1_000_000));

  await until(() => kept.bytes >= 100_000);
  await sleepFor(50);
  assert.ok(kept.bytes < 200_000, `${kept.bytes}`);

  reader.grant(2_000_000);
  await until(() => kept.bytes === 1_000_000);
  assert.equal(await written, true);
});

test('what nobody takes any more is refused, and so is all that follows', async () => {
  await using thread = new StreamThread();
  const { readEnd, writeEnd } = openPipe();
  const writer = thread.open(writeEnd, { framing: 'bytes' });
  const stuck = writer.write(Buffer.alloc(1_000_000));
  close(readEnd);

  assert.equal(await stuck, false);
  assert.equal(await writer.write(Buffer.from('more')), false);
});

test('a stream that is closed while it writes refuses at once, and closes its descriptor', async () => {
  await using thread = new StreamThread();
  const { readEnd, writeEnd } = openPipe();
  const kept = new Kept(0);
  using _ = thread.open(readEnd, { framing: 'bytes', reader: kept });
  const writer = thread.open(writeEnd, { framing: 'bytes' });
  const stuck = writer.write(Buffer.alloc(1_000_000));
  writer[Symbol.dispose]();
  assert.equal(await stuck, false);
});

test('a hang-up of what nobody may read costs nothing', async () => {
  await using thread = new StreamThread();
  const { readEnd, writeEnd } = openPipe();
  const kept = new Kept(0); // the end of it is not seen before something is granted
  using reader = thread.open(readEnd, { framing: 'bytes', reader: kept });
  close(writeEnd);

  const before = process.cpuUsage();
  await sleepFor(300);
  const { user, system } = process.cpuUsage(before);

  assert.ok(user + system < 100_000, `${(user + system) / 1_000} ms of work`);
  assert.equal(kept.isOver, false);
  reader.grant(1);
  await until(() => kept.isOver);
});

test('ending the thread ends its streams and closes their descriptors', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bst-'));
  execFileSync('mkfifo', [`${folder}/fifo`]);
  const thread = new StreamThread();
  const own = (): number => readdirSync('/proc/self/fd').length;
  await thread[Symbol.asyncDispose](); // one that never began
  const before = own();
  const fifo = openSync(`${folder}/fifo`, constants.O_RDWR | constants.O_NONBLOCK);
  const kept = new Kept(100);
  thread.open(fifo, { framing: 'bytes', reader: kept });

  await thread[Symbol.asyncDispose]();

  assert.equal(kept.isOver, true);
  assert.throws(() => closeSync(fifo), { code: 'EBADF' });
  await until(() => own() <= before);
  rmSync(folder, { recursive: true });
});
