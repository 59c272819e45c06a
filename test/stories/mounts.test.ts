import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { story } from '../support/daemon.ts';
import { DEAF } from '../support/programs.ts';

const mount = (...args: string[]): Buffer => execFileSync('mount', args);

story('a read-only mount is read-only with all that is mounted below it', async (daemon) => {
  const source = `${daemon.root}/source`;
  mkdirSync(`${source}/sub`, { recursive: true });
  mount('-t', 'tmpfs', 'berth-test', `${source}/sub`);
  try {
    const { id } = await daemon.run(DEAF, { mounts: [{ kind: 'bind', source, target: '/data', isReadonly: true }] });

    const top = await daemon.exec(id, ['touch', '/data/file']);
    const below = await daemon.exec(id, ['touch', '/data/sub/file']);

    assert.match(top.stderr, /Read-only file system/);
    assert.match(below.stderr, /Read-only file system/);
    await daemon.remove(id, true);
  } finally {
    execFileSync('umount', ['-l', `${source}/sub`]);
  }
});

for (const [propagation, isSeen] of [
  ['rprivate', false],
  ['rslave', true],
] as const) {
  story(
    `what the host mounts later is ${isSeen ? '' : 'not '}seen through a mount that is ${propagation}`,
    async (daemon) => {
      const source = `${daemon.root}/source`;
      mkdirSync(source);
      mount('-t', 'tmpfs', 'berth-test', source);
      mount('--make-shared', source);
      mkdirSync(`${source}/later`);
      try {
        const { id } = await daemon.run(DEAF, { mounts: [{ kind: 'bind', source, target: '/data', propagation }] });
        mount('-t', 'tmpfs', 'berth-later', `${source}/later`);

        const { stdout } = await daemon.exec(id, ['cat', '/proc/self/mounts']);

        assert.equal(stdout.includes('berth-later'), isSeen, stdout);
        await daemon.remove(id, true);
      } finally {
        execFileSync('umount', ['-R', '-l', source]);
      }
    },
  );
}

story('nobody but root reads the state, in which the environments are', async (daemon) => {
  await daemon.create('true', { env: ['PASSWORD=secret'] });

  assert.equal(statSync(`${daemon.root}/state`).mode & 0o777, 0o700);
  for (const name of ['state.db', 'state.db-wal', 'state.db-shm']) {
    assert.equal(statSync(`${daemon.root}/state/${name}`).mode & 0o077, 0, name);
  }
});

story('the files of a user lookup are looked at before they are opened', async (daemon) => {
  const { id } = await daemon.run(DEAF);
  await daemon.exec(id, ['/bin/sh', '-c', 'rm /etc/passwd; mknod /etc/passwd c 1 11']);

  await assert.rejects(daemon.exec(id, ['true'], { user: 'web' }), { code: 'InvalidArgument', field: 'user' });

  assert.match(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'), /^State:\s+[SR]/m);
});

const CHROOT = 'mkdir -p "$0" && mount --rbind / "$0" && exec chroot "$0" "$@"';

story(
  'a daemon in a chroot runs containers, but no command in them, which would see the host',
  { wrap: ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', CHROOT, 'ROOT/chroot'] },
  async (daemon) => {
    const { id } = await daemon.run('test -e /bin/busybox && echo inside; exec sleep 1000');
    await daemon.untilPrinted(id, 'inside');

    await assert.rejects(daemon.exec(id, ['touch', `${daemon.root}/escaped`]), {
      code: 'Unsupported',
      message: /the daemon is in a chroot/,
    });

    const { findings } = await daemon.get<{ findings: { text: string }[] }>('/v1/doctor');
    assert.ok(findings.some(({ text }) => text.includes('in a chroot')));
    await daemon.stop(id, { graceMs: 0 });
  },
);
