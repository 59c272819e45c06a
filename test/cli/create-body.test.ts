import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite, test } from 'node:test';
import { Command } from 'commander';
import { BerthError } from '../../src/base/errors.ts';
import { createBody } from '../../src/cli/run/create-body.ts';
import { describeContainer } from '../../src/cli/run/options.ts';
import type { ContainerFlags } from '../../src/cli/run/options.ts';

function parse(...argv: readonly string[]): object {
  let body: object = {};
  const command = new Command('berth create').exitOverride().configureOutput({ writeErr: () => undefined });
  describeContainer(command);
  command.action((image: string, args: readonly string[], flags: ContainerFlags) => {
    body = createBody(image, args, flags);
  });
  command.parse(argv, { from: 'user' });
  return body;
}

const FIT: readonly (readonly [words: string, rest: object])[] = [
  ['img', {}],
  ['img ls -l --name x', { command: ['ls', '-l', '--name', 'x'] }],
  ['--name web img -- ls', { name: 'web', command: ['--', 'ls'] }],
  ['-e A=1 --env B=x=y img', { env: ['A=1', 'B=x=y'] }],
  ['-w /srv -u 1000:1000 img', { cwd: '/srv', user: '1000:1000' }],
  ['-v /a:/b img', { mounts: [{ kind: 'bind', source: '/a', target: '/b' }] }],
  ['-v /a:/b:ro img', { mounts: [{ kind: 'bind', source: '/a', target: '/b', isReadonly: true }] }],
  ['-v ./a:/b:rw img', { mounts: [{ kind: 'bind', source: resolve('a'), target: '/b' }] }],
  ['--tmpfs /t img', { mounts: [{ kind: 'tmpfs', target: '/t' }] }],
  ['--tmpfs /t:size=64M img', { mounts: [{ kind: 'tmpfs', target: '/t', sizeBytes: 64 << 20 }] }],
  ['--network host --hostname h img', { sandbox: { network: 'host', hostname: 'h' } }],
  ['--memory 512M --memory-swap 1g img', { resources: { memoryBytes: 512 << 20, memorySwapBytes: 1 << 30 } }],
  ['--memory-swap -1 img', { resources: { memorySwapBytes: -1 } }],
  ['--cpus 0.5 --cpu-shares 512 img', { resources: { cpus: 0.5, cpuShares: 512 } }],
  ['--cpuset-cpus 0-1,3 --pids-limit 100 img', { resources: { cpusetCpus: '0-1,3', pids: 100 } }],
  ['--ulimit nofile=1024 img', { rlimits: [{ name: 'nofile', soft: 1024, hard: 1024 }] }],
  ['--ulimit nofile=1024:4096 img', { rlimits: [{ name: 'nofile', soft: 1024, hard: 4096 }] }],
  ['--cap-add NET_ADMIN --cap-add ALL img', { security: { addCapabilities: ['NET_ADMIN', 'ALL'] } }],
  ['--cap-drop ALL --privileged img', { security: { isPrivileged: true, dropCapabilities: ['ALL'] } }],
  ['--read-only --no-new-privileges img', { security: { isReadonlyRootfs: true, noNewPrivileges: true } }],
  ['--seccomp unconfined img', { security: { seccomp: 'unconfined' } }],
  ['--pid host --shm-size 1G img', { pid: 'host', shmSizeBytes: 1 << 30 }],
  ['--oom-score-adj -500 img', { oomScoreAdj: -500 }],
  ['-l a=1 --label b img', { labels: { a: '1', b: '' } }],
  ['--annotation a.b/c=d=e img', { annotations: { 'a.b/c': 'd=e' } }],
  ['--stop-signal int --stop-grace 1m30s img', { stopSignal: 'SIGINT', stopGraceMs: 90_000 }],
  ['--entrypoint /bin/sh img -c true', { entrypoint: ['/bin/sh'], command: ['-c', 'true'] }],
  ['--entrypoint= img', { entrypoint: [] }],
  ['--runtime runc -i img', { handler: 'runc', hasStdin: true }],
];

suite('the command line of run and create becomes what the daemon is asked for', () => {
  for (const [words, rest] of FIT) {
    test(words, () => assert.deepEqual(parse(...words.split(' ')), { image: 'img', ...rest }));
  }
});

const UNFIT: readonly (readonly [words: string, message: string])[] = [
  ['--memory 12x img', 'Cannot read --memory "12x": must be a size like 64M or 1.5G'],
  ['--memory-swap -2 img', 'Cannot read --memory-swap "-2": must be a size like 64M or 1.5G'],
  ['--shm-size big img', 'Cannot read --shm-size "big": must be a size like 64M or 1.5G'],
  ['--cpus 0 img', 'Cannot read --cpus "0": must be a number from 0.01 on'],
  ['--cpus 1e3 img', 'Cannot read --cpus "1e3": must be a number from 0.01 on'],
  ['--cpu-shares x img', 'Cannot read --cpu-shares "x": must be a whole number'],
  ['--pids-limit -1 img', 'Cannot read --pids-limit "-1": must be a whole number'],
  ['--oom-score-adj 1001 img', 'Cannot read --oom-score-adj "1001": must be a whole number from -1000 to 1000'],
  ['--network bridge img', 'Cannot read --network "bridge": must be none or host'],
  ['--pid container:x img', 'Cannot read --pid "container:x": must be host'],
  ['--seccomp my.json img', 'Cannot read --seccomp "my.json": must be default or unconfined'],
  ['--ulimit nofile img', 'Cannot read --ulimit "nofile": must be NAME=SOFT or NAME=SOFT:HARD'],
  ['--tmpfs tmp img', 'Cannot read --tmpfs "tmp": must be DST or DST:size=64M'],
  ['--tmpfs /t:mode=1777 img', 'Cannot read --tmpfs "/t:mode=1777": must be DST or DST:size=64M'],
  ['--tmpfs /t:size=much img', 'Cannot read --tmpfs size "much": must be a size like 64M or 1.5G'],
  ['--label =x img', 'Cannot read --label "=x": must be KEY=VALUE'],
  ['--stop-grace soon img', 'Cannot read --stop-grace "soon": must be a duration like 500ms, 10s or 1m30s'],
  [
    '--stop-signal TERMX img',
    'Cannot read --stop-signal "TERMX": must be a signal name like SIGTERM or RTMIN+3, or a number from 1 to 64',
  ],
  [
    '-v data:/b img',
    'Cannot read --volume "data:/b": must be SRC:DST or SRC:DST:ro with paths; volumes with names are not there yet',
  ],
  [
    '-v /a:/b:rox img',
    'Cannot read --volume "/a:/b:rox": must be SRC:DST or SRC:DST:ro with paths; volumes with names are not there yet',
  ],
  ['--env-file /nonexistent img', 'Cannot read --env-file "/nonexistent": there is no such file'],
];

suite('a value that does not fit is refused with its option and what is wanted', () => {
  for (const [words, message] of UNFIT) {
    test(words, () => {
      assert.throws(
        () => parse(...words.split(' ')),
        new BerthError('InvalidArgument', message, { field: fieldOf(message) }),
      );
    });
  }
});

/** The option that the message names; a file that is missing is no field. */
function fieldOf(message: string): string {
  return /^Cannot read (--tmpfs size|--[a-z-]+)/.exec(message)?.[1] ?? '';
}

test('-t is refused with a sentence, also beside -i', () => {
  const message = 'Cannot give it a terminal: -t is not there yet, leave it out';
  assert.throws(() => parse('-it', 'img', 'sh'), new BerthError('Unsupported', message));
});

test('variables come from files, then from the options; a key alone takes the value of whoever asks', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-env-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'env');
  writeFileSync(file, '# a remark\nA=from file\n\nBERTH_TEST_KEY\r\nBERTH_TEST_NONE\n');
  process.env['BERTH_TEST_KEY'] = 'mine';
  t.after(() => delete process.env['BERTH_TEST_KEY']);

  const body = parse('-e', 'A=option', '--env-file', file, '-e', 'BERTH_TEST_KEY', 'img');

  assert.deepEqual(body, {
    image: 'img',
    env: ['A=from file', 'BERTH_TEST_KEY=mine', 'A=option', 'BERTH_TEST_KEY=mine'],
  });
});
