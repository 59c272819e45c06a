import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CreateBody } from '../../src/api/berth/types.ts';
import { story } from '../support/daemon.ts';
import { makeHangingFs } from '../support/hanging-fs.ts';
import { DEAF } from '../support/programs.ts';

story(
  'requests that can never work are refused, naming the field and what is wanted, and leave nothing',
  async (daemon) => {
    const cases: readonly (readonly [
      Partial<Record<keyof CreateBody, unknown>>,
      number,
      string,
      string | undefined,
      RegExp,
    ])[] = [
      [{ image: 'no-such-image' }, 404, 'NotFound', undefined, /Cannot find image "no-such-image"/],
      [{ image: 'Not A Name' }, 400, 'InvalidArgument', undefined, /Not A Name/],
      [{ image: undefined }, 400, 'InvalidArgument', 'image', /image/],
      [{ nmae: 'x' } as object, 400, 'InvalidArgument', 'nmae', /did you mean "name"/],
      [{ name: '-bad-' }, 400, 'InvalidArgument', 'name', /must be letters, digits/],
      [{ command: [] }, 400, 'InvalidArgument', 'command', /says what to run/],
      [{ command: 'sh' }, 400, 'InvalidArgument', 'command', /must be Array/],
      [{ env: ['NOVALUE'] }, 400, 'InvalidArgument', 'env[0]', /must be KEY=value/],
      [{ cwd: 'tmp' }, 400, 'InvalidArgument', 'cwd', /must be an absolute path/],
      [
        { user: 'nobody-here' },
        400,
        'InvalidArgument',
        'user',
        /user "nobody-here": the image has none in \/etc\/passwd/,
      ],
      [{ user: 'web:nogroup' }, 400, 'InvalidArgument', 'user', /group "nogroup"/],
      [{ stopSignal: 'SIGNOPE' }, 400, 'InvalidArgument', 'stopSignal', /must be a signal name/],
      [
        { mounts: [{ kind: 'bind', source: '/no/such/place', target: '/data' }] },
        400,
        'InvalidArgument',
        'mounts[0].source',
        /there is nothing at this path/,
      ],
      [
        { mounts: [{ kind: 'bind', source: 'rel', target: '/data' }] },
        400,
        'InvalidArgument',
        'mounts[0].source',
        /must be an absolute path/,
      ],
      [
        { mounts: [{ kind: 'bind', source: '/tmp', target: '/a/../b' }] },
        400,
        'InvalidArgument',
        'mounts[0].target',
        /without "\.\."/,
      ],
      [{ oomScoreAdj: 2_000 }, 400, 'InvalidArgument', 'oomScoreAdj', /from -1000 to 1000/],
      [
        { security: { addCapabilities: ['FLY'] } },
        400,
        'InvalidArgument',
        'security.addCapabilities',
        /capability "FLY"/,
      ],
      [{ rlimits: [{ name: 'wings', soft: 1, hard: 1 }] }, 400, 'InvalidArgument', 'rlimits[0]', /must be one of/],
      [{ command: ['sh\0x'] }, 400, 'InvalidArgument', 'command', /zero byte/],
      [
        { mounts: [{ kind: 'tmpfs', target: '/' }] },
        400,
        'InvalidArgument',
        'mounts[0].target',
        /must be a path below \//,
      ],
      [{ mounts: [{ kind: 'tmpfs', target: '/t', sizeBytes: 0 }] }, 400, 'InvalidArgument', 'mounts[0].sizeBytes', /1/],
      [{ shmSizeBytes: 0 }, 400, 'InvalidArgument', 'shmSizeBytes', /at least 1/],
      [{ resources: { memoryBytes: 0 } }, 400, 'InvalidArgument', 'resources.memoryBytes', /at least 6291456/],
      [
        { resources: { memoryBytes: 64 << 20, memorySwapBytes: 32 << 20 } },
        400,
        'InvalidArgument',
        'resources.memorySwapBytes',
        /at least resources.memoryBytes/,
      ],
      [{ resources: { cpusetCpus: 'abc' } }, 400, 'InvalidArgument', 'resources.cpusetCpus', /a list like 0-1,3/],
      [{ sandbox: { hostname: 'my host' } }, 400, 'InvalidArgument', 'sandbox.hostname', /at most 63/],
      [{ sandbox: { network: 'host', hostname: 'x' } }, 400, 'InvalidArgument', 'sandbox.hostname', /left out/],
      [{ annotations: { 'run.oci.hooks': 'x' } }, 400, 'InvalidArgument', 'annotations', /runtime's own/],
      [{ handler: 'kata' }, 501, 'Unsupported', 'handler', /configured are crun/],
    ];
    for (const [request, status, code, field, message] of cases) {
      await assert.rejects(
        daemon.post('/v1/containers', { image: 'busybox', command: ['true'], ...request }),
        { status, code, message, ...(field === undefined ? {} : { field }) },
        JSON.stringify(request),
      );
    }
    const { containers } = await daemon.get<{ containers: unknown[] }>('/v1/containers');
    assert.deepEqual(containers, []);
  },
);

story('a name that is taken, a prefix that fits several, and what does not exist', async (daemon) => {
  const first = await daemon.create('true', { name: 'web' });
  await assert.rejects(daemon.create('true', { name: 'web' }), {
    status: 409,
    code: 'AlreadyExists',
    field: 'name',
    message: new RegExp(`belongs to ${first.id.slice(0, 12)}`),
  });
  for (let made = 0; made < 16; made += 1) await daemon.create('true');
  const { containers } = await daemon.get<{ containers: { id: string }[] }>('/v1/containers');
  const shared = containers.map(({ id }) => id.slice(0, 1)).find((each, index, all) => all.indexOf(each) !== index);
  assert.ok(shared, 'of 17 ids two begin with the same digit');

  await assert.rejects(daemon.inspect(shared), {
    code: 'InvalidArgument',
    message: new RegExp(`container "${shared}": it fits`),
  });
  assert.equal((await daemon.inspect(first.id.slice(0, 20))).id, first.id);
  await assert.rejects(daemon.inspect('nobody'), { status: 404, code: 'NotFound' });
  await assert.rejects(daemon.get('/v1/nowhere'), { status: 404 });
  await assert.rejects(daemon.delete('/v1/containers'), { status: 400, message: /must be GET or POST/ });
});

story(
  'a command that is not found, not executable, or lacks its interpreter: a clear end, and a clean host',
  async (daemon) => {
    const start = async (command: string[]): Promise<{ id: string; error?: Error & { code?: string } }> => {
      const { id } = await daemon.post<{ id: string }>('/v1/containers', { image: 'busybox', command });
      try {
        await daemon.post(`/v1/containers/${id}/start`);
        return { id };
      } catch (error) {
        return { id, error: error as Error };
      }
    };
    const missing = await start(['no-such-program']);
    assert.equal(missing.error?.code, 'InvalidArgument');
    assert.match(missing.error?.message ?? '', /executable file `no-such-program` not found/);
    assert.equal((await daemon.inspect(missing.id)).exit?.code, 127);

    const folder = await start(['/etc']);
    assert.equal((await daemon.inspect(folder.id)).exit?.code, 126);
    const plain = await start(['/etc/passwd']);
    assert.equal((await daemon.inspect(plain.id)).exit?.code, 126);

    const orphan = await start(['/bin/orphan']);
    const exit = await daemon.wait(orphan.id);
    assert.notEqual(exit.code, 0);
    assert.match(exit.message ?? '', /\/bin\/orphan.*No such file or directory/);
  },
);

story('verbs in the wrong state say which one, and which is wanted', async (daemon) => {
  const { id, name } = await daemon.run(DEAF);
  const refused = (verb: string, message: RegExp): Promise<void> =>
    assert.rejects(daemon.post(`/v1/containers/${id}/${verb}`), { status: 409, code: 'WrongState', message });
  await refused('start', new RegExp(`container "${name}": it is running, must be created or exited`));
  await refused('resume', /it is running, must be paused/);
  await assert.rejects(daemon.remove(id), { code: 'WrongState', message: /it is running, stop it first or force/ });
  await assert.rejects(daemon.post(`/v1/containers/${id}/kill`, { signal: 'NOPE' }), { code: 'InvalidArgument' });
  await daemon.stop(id, { graceMs: 0 });
  await refused('pause', /it is exited, must be running/);
  await refused('kill', /it is exited, must be running/);
  assert.deepEqual(await daemon.stop(id), { changed: false });
});

story(
  'a mount source whose file system hangs: an answer within 6 s, others are not disturbed, the next one is refused at once',
  async (daemon) => {
    using fs = await makeHangingFs();
    fs.hang();
    const begunAt = performance.now();
    const request = { mounts: [{ kind: 'bind' as const, source: `${fs.path}/folder`, target: '/data' }] };

    const hanging = assert.rejects(daemon.create('true', request), {
      status: 504,
      code: 'DeadlineExceeded',
      message: /its file system does not answer/,
    });
    const other = await daemon.run('echo hello');
    assert.equal((await daemon.wait(other.id)).code, 0);
    assert.ok(performance.now() - begunAt < 4_000);
    await hanging;
    assert.ok(performance.now() - begunAt < 6_000);
    const again = performance.now();
    await assert.rejects(daemon.create('true', request), { code: 'DeadlineExceeded' });
    assert.ok(performance.now() - again < 500);
  },
);

for (const [text, message, exitCode = 2] of [
  ['[stop]\ngrase = "1s"', /"stop\.grase" is not known: did you mean "grace"/],
  ['[stop]\ngrace = "soon"', /must be a duration like "10s"/],
  ['this is no toml', /Cannot read .*config\.toml/],
  ['[runtime.handlers.crun]\npath = "/bin/echo"', /"\/bin\/echo" as runtime "crun": it says ".*", must be crun/, 1],
] as const) {
  test(`a configuration with ${JSON.stringify(text)} is refused before anything is touched`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'berth-config-'));
    try {
      writeFileSync(`${folder}/config.toml`, `[paths]\nstate = "${folder}/s"\nrun = "${folder}/r"\n${text}`);
      const child = spawn(process.execPath, ['bin/berth.ts', 'serve', '--config', `${folder}/config.toml`], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let said = '';
      child.stderr.on('data', (data: Buffer) => (said += data.toString()));
      const [code] = (await once(child, 'exit')) as [number];
      assert.equal(code, exitCode);
      assert.match(said, message);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}
