import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { LogLine, LogQuery } from '../../src/engine/ports.ts';
import { Berth, berth } from './support/berth.ts';
import { Served } from './support/serve.ts';

const TIME = '2026-11-20T17:45:03.120000000+00:00';

function line(data: string | Uint8Array, stream: LogLine['stream'] = 'stdout', isPartial = false): LogLine {
  return { time: TIME, stream, data: Buffer.from(data), isPartial };
}

function serving(...lines: readonly LogLine[]): Promise<Served> {
  async function* logs(): AsyncGenerator<LogLine> {
    yield* lines;
  }
  return Served.open({ containers: { logs } });
}

test('what was printed comes out byte for byte, on the stream that it was printed to', async () => {
  const noise = Buffer.concat(
    Array.from({ length: 40 }, () => randomBytes(4_096).map((byte) => (byte === 10 ? 11 : byte))),
  );
  const lines = [
    line('\ufeffwith a mark'),
    line('é\x1b[31m\0'),
    line(Buffer.from([0xff, 0xfe, 0x80])),
    line(noise),
    line('to the other', 'stderr'),
    line(''),
    line(Buffer.from('é').subarray(0, 1), 'stdout', true),
    line(Buffer.from('é').subarray(1), 'stdout', true),
    line('the rest'),
    line('without an end', 'stdout', true),
  ];
  await using served = await serving(...lines);

  const { stdout, stderr, code } = await berth(['logs', 'web'], served);

  const newline = Buffer.from('\n');
  const printed = lines.filter(({ stream }) => stream === 'stdout');
  const bytes = printed.flatMap(({ data, isPartial }) => (isPartial ? [data] : [data, newline]));
  assert.deepEqual(stdout, Buffer.concat(bytes));
  assert.equal(stderr, 'to the other\n');
  assert.equal(code, 0);
});

test('-t puts the time before each line, once when it came in parts', async () => {
  await using served = await serving(line('a', 'stdout', true), line('to the other', 'stderr'), line('b'), line('c'));

  const { stdout, stderr } = await berth(['logs', '-t', 'web'], served);

  assert.equal(stdout.toString(), `${TIME} ab\n${TIME} c\n`);
  assert.equal(stderr, `${TIME} to the other\n`);
});

test('tail, since and follow are what the daemon is asked for', async () => {
  const asked: LogQuery[] = [];
  async function* logs(
    _: string,
    { tail, since, ...rest }: LogQuery & { isFollowing?: boolean },
  ): AsyncGenerator<LogLine> {
    asked.push({ ...(tail === undefined ? {} : { tail }), ...(since === undefined ? {} : { since }) });
    yield line(String(rest.isFollowing));
  }
  await using served = await Served.open({ containers: { logs } });

  const time = await berth(['logs', '--tail', '3', '--since', '2026-11-20T17:45:03.5Z', 'web'], served);
  const before = Date.now() - 600_000;
  const duration = await berth(['logs', '-f', '--since', '10m', 'web'], served);
  const after = Date.now() - 600_000;

  assert.deepEqual(asked[0], { tail: 3, since: Date.parse('2026-11-20T17:45:03.5Z') });
  const since = asked[1]?.since ?? 0;
  assert.ok(since >= before && since <= after, String(since));
  assert.equal(time.stdout.toString(), 'false\n');
  assert.equal(duration.stdout.toString(), 'true\n');
});

test('an error after the first line is told, and the exit code is its own', async () => {
  async function* logs(): AsyncGenerator<LogLine> {
    yield line('first');
    throw new Error('the disk is gone');
  }
  await using served = await Served.open({ containers: { logs } });

  const { stdout, stderr, code } = await berth(['logs', 'web'], served);

  assert.equal(stdout.toString(), 'first\n');
  assert.equal(stderr, 'berth: the disk is gone\n');
  assert.equal(code, 1);
});

test('without -f, a daemon that goes away in the middle is an error', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  async function* logs(): AsyncGenerator<LogLine> {
    yield line('first');
    await promise;
  }
  await using served = await Served.open({ containers: { logs } });

  const following = new Berth(['logs', 'web'], served);
  await following.until(({ stdout }) => stdout.includes('first'));
  await served.go();
  const { stderr, code } = await following.ended;
  resolve();

  assert.match(
    stderr,
    /^berth: Cannot hear berth at ".*" any more: the daemon went away in the middle of its answer\n$/,
  );
  assert.equal(code, 1);
});

test('a reader that has seen enough ends a follow', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  async function* logs(_: string, { signal }: LogQuery): AsyncGenerator<LogLine> {
    signal?.addEventListener('abort', () => resolve());
    while (signal?.aborted !== true) yield line('y'.repeat(1_000));
  }
  await using served = await Served.open({ containers: { logs } });

  const following = new Berth(['logs', '-f', 'web'], served);
  await following.until(({ stdout }) => stdout.length > 0);
  following.child.stdout?.destroy();
  const { stderr, code } = await following.ended;
  await promise; // the daemon hears of it

  assert.equal(stderr, '');
  assert.equal(code, 0);
});
