import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { BerthError } from '../../src/base/errors.ts';
import type { ExecEnd, ExecRequest, ExecSession } from '../../src/engine/index.ts';
import type { OutputChunk } from '../../src/engine/ports.ts';
import { Berth, berth } from './support/berth.ts';
import { Served } from './support/serve.ts';

/** A command that does what the test tells it to. */
class FakeCommand implements ExecSession {
  readonly id = 'e'.repeat(64);
  readonly received: Uint8Array[] = [];
  readonly signals: string[] = [];
  readonly #end = Promise.withResolvers<ExecEnd>();
  readonly inputClosed = Promise.withResolvers<void>();
  readonly killed = Promise.withResolvers<void>();
  request: ExecRequest | undefined;
  onSignal: (signal: string) => void = () => undefined;
  /** Resolves when it takes input; one that never reads keeps it waiting. */
  reading: Promise<void> = Promise.resolve();
  #chunks: OutputChunk[] = [];
  #wake: () => void = () => undefined;
  #isOver = false;

  readonly run = (_: string, request: ExecRequest): Promise<ExecSession> => {
    this.request = request;
    request.signal?.addEventListener('abort', () => this.killed.resolve());
    return Promise.resolve(this);
  };

  get ended(): Promise<ExecEnd> {
    return this.#end.promise;
  }

  get output(): AsyncIterable<OutputChunk> {
    return this.#read();
  }

  print(data: string | Uint8Array, stream: OutputChunk['stream'] = 'stdout'): void {
    this.#chunks.push({ stream, data: Buffer.from(data) });
    this.#wake();
  }

  exit(code: number, how: Partial<ExecEnd> = {}): void {
    this.#isOver = true;
    this.#end.resolve({ code, isTimedOut: false, isOutputCut: false, ...how });
    this.#wake();
  }

  async write(data: Uint8Array): Promise<void> {
    await this.reading;
    this.received.push(data);
  }

  closeInput(): void {
    this.inputClosed.resolve();
  }

  resize(): void {
    // it has no terminal
  }

  kill(signal: string): boolean {
    this.signals.push(signal);
    this.onSignal(signal);
    return true;
  }

  async *#read(): AsyncGenerator<OutputChunk> {
    for (;;) {
      yield* this.#chunks.splice(0);
      if (this.#isOver) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

function serve(command: FakeCommand): Promise<Served> {
  return Served.open({ containers: { exec: command.run } });
}

test('its streams are passed through byte for byte and its code is the exit code', async () => {
  const command = new FakeCommand();
  const bytes = randomBytes(300_000);
  await using served = await serve(command);
  command.print(bytes);
  command.print('\x1b[31mred', 'stderr');
  command.exit(42);

  const { code, stdout, stderr } = await berth(
    ['exec', '-e', 'A=1', '-w', '/srv', '-u', 'me', '--timeout', '1m', 'web', 'ls', '-l', '--', '-e'],
    served,
  );

  assert.equal(code, 42);
  assert.deepEqual(stdout, bytes);
  assert.equal(stderr, '\x1b[31mred');
  const { signal: _, ...asked } = command.request ?? { requester: '', args: [] };
  assert.deepEqual(asked, {
    args: ['ls', '-l', '--', '-e'],
    env: ['A=1'],
    cwd: '/srv',
    user: 'me',
    timeoutMs: 60_000,
    hasStdin: false,
    requester: 'cli (uid 0, pid 1)',
  });
});

test('with -i its input is passed on, whole and with its end', async () => {
  const command = new FakeCommand();
  const input = randomBytes(3_000_000);
  await using served = await serve(command);

  const exec = new Berth(['exec', '-i', 'web', 'cat'], { socket: served.socket, input });
  await command.inputClosed.promise;
  command.exit(0);
  const { code } = await exec.ended;

  assert.equal(code, 0);
  assert.equal(command.request?.hasStdin, true);
  assert.deepEqual(Buffer.concat(command.received), input);
});

test('it ends with the command, although its input is still open', async () => {
  const command = new FakeCommand();
  await using served = await serve(command);

  const exec = new Berth(['exec', '-i', 'web', 'true'], { socket: served.socket, input: 'open' });
  command.print('ready');
  await exec.until(({ stdout }) => stdout.includes('ready'));
  command.exit(3);
  const { code } = await exec.ended;

  assert.equal(code, 3);
});

test('without -i its input is not read', async () => {
  const command = new FakeCommand();
  await using served = await serve(command);
  command.exit(0);

  const { code } = await berth(['exec', 'web', 'cat'], { socket: served.socket, input: Buffer.from('for the shell') });

  assert.equal(code, 0);
  assert.deepEqual(command.received, []);
});

test('SIGTERM and SIGINT are passed on, and their effect is the exit code', async () => {
  const command = new FakeCommand();
  await using served = await serve(command);
  command.onSignal = (signal) => (signal === 'SIGTERM' ? command.print('got it') : command.exit(130));

  const exec = new Berth(['exec', 'web', 'sleep', '1d'], served);
  command.print('ready');
  await exec.until(({ stdout }) => stdout.includes('ready'));
  exec.child.kill('SIGTERM');
  await exec.until(({ stdout }) => stdout.includes('got it'));
  exec.child.kill('SIGINT');
  const { code, stderr } = await exec.ended;

  assert.deepEqual(command.signals, ['SIGTERM', 'SIGINT']);
  assert.equal(code, 130);
  assert.equal(stderr, '');
});

test('a second SIGINT kills it', async () => {
  const command = new FakeCommand();
  await using served = await serve(command);
  command.onSignal = (signal) => (signal === 'SIGKILL' ? command.exit(137) : command.print(signal));

  const exec = new Berth(['exec', 'web', 'deaf'], served);
  command.print('ready');
  await exec.until(({ stdout }) => stdout.includes('ready'));
  exec.child.kill('SIGINT');
  await exec.until(({ stdout }) => stdout.includes('SIGINT'));
  exec.child.kill('SIGINT');
  const { code, stderr } = await exec.ended;

  assert.deepEqual(command.signals, ['SIGINT', 'SIGKILL']);
  assert.equal(code, 137);
  assert.equal(stderr, 'berth: SIGINT again: killing the command\n');
});

test('signals do not stand in line behind input that the command does not read', async () => {
  const command = new FakeCommand();
  command.reading = new Promise(() => undefined);
  await using served = await serve(command);

  const exec = new Berth(['exec', '-i', 'web', 'deaf'], { socket: served.socket, input: Buffer.alloc(4_000_000) });
  command.print('ready');
  await exec.until(({ stdout }) => stdout.includes('ready'));
  command.onSignal = () => command.exit(130);
  exec.child.kill('SIGINT');
  const { code, stderr } = await exec.ended;

  assert.deepEqual(command.signals, ['SIGINT']);
  assert.equal(stderr, '');
  assert.equal(code, 130);
});

test('a client that goes away while the command does not read its input ends the command', async () => {
  const command = new FakeCommand();
  command.reading = new Promise(() => undefined);
  await using served = await serve(command);

  const exec = new Berth(['exec', '-i', 'web', 'deaf'], { socket: served.socket, input: Buffer.alloc(4_000_000) });
  command.print('ready');
  await exec.until(({ stdout }) => stdout.includes('ready'));
  exec.child.kill('SIGKILL');

  await command.killed.promise;
});

test('a second SIGINT ends one that no signal ends', async () => {
  const command = new FakeCommand();
  await using served = await serve(command);

  const exec = new Berth(['exec', 'web', 'stuck'], served);
  command.onSignal = (signal) => command.print(signal);
  command.print('ready');
  await exec.until(({ stdout }) => stdout.includes('ready'));
  exec.child.kill('SIGINT');
  await exec.until(({ stdout }) => stdout.includes('SIGINT'));
  exec.child.kill('SIGINT');
  const { code } = await exec.ended;
  await command.killed.promise; // the daemon ends what nobody waits for

  assert.deepEqual(command.signals, ['SIGINT', 'SIGKILL']);
  assert.equal(code, 137);
});

test('a command that took too long, or left its output open, is told of', async () => {
  const command = new FakeCommand();
  await using served = await serve(command);
  command.exit(137, { isTimedOut: true, isOutputCut: true });

  const { code, stderr } = await berth(['exec', '--timeout', '1500ms', 'web', 'x'], served);

  assert.equal(code, 137);
  assert.match(stderr, /^berth: The command took longer than 1\.5s and was killed\nberth: A process that .* holds its/);
});

test('a command that cannot be run is one line', async () => {
  const exec = (): Promise<never> => Promise.reject(new BerthError('WrongState', 'Cannot run it: it is exited'));
  await using served = await Served.open({ containers: { exec } });

  const { code, stderr } = await berth(['exec', '-i', 'web', 'ls'], {
    socket: served.socket,
    input: Buffer.alloc(1_000_000),
  });

  assert.equal(stderr, 'berth: Cannot run it: it is exited\n');
  assert.equal(code, 1);
});

test('a daemon that goes away in the middle is an error', async () => {
  const command = new FakeCommand();
  await using served = await serve(command);

  const exec = new Berth(['exec', 'web', 'x'], served);
  command.print('ready');
  await exec.until(({ stdout }) => stdout.includes('ready'));
  await served.go();
  const { code, stderr } = await exec.ended;

  assert.match(stderr, /^berth: Cannot hear berth at ".*" any more/);
  assert.equal(code, 1);
});
