import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { examineCgroups } from '../../src/cli/doctor/cgroups.ts';
import type { Finding } from '../../src/cli/doctor/finding.ts';
import { examineHost } from '../../src/cli/doctor/host.ts';
import { findingLines } from '../../src/cli/doctor/print-findings.ts';
import { examinePrograms } from '../../src/cli/doctor/programs.ts';
import { examineState } from '../../src/cli/doctor/state.ts';
import { World } from '../fakes/world.ts';
import { berth } from './support/berth.ts';
import { engineOf } from './support/engine-of.ts';
import { Served } from './support/serve.ts';

const V2 = '30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate';
const TMPFS = '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755';
const UNIFIED = '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw';
const v1 = (...controllers: readonly string[]): string =>
  controllers.map((name) => `32 31 0:29 / /sys/fs/cgroup/${name} rw - cgroup cgroup rw,${name}`).join('\n');

const HOSTS: readonly (readonly [name: string, mounts: string, owned: string, levels: string, text: RegExp])[] = [
  ['v2', V2, 'cpuset cpu io memory pids', 'ok', /^cgroups are v2$/],
  ['v2 without memory', V2, 'cpu pids', 'ok warning', /Without cgroup controller memory, .*cgroup_enable=memory/s],
  ['v1', `${TMPFS}\n${v1('cpu,cpuacct', 'memory', 'pids')}`, '', 'ok', /^cgroups are v1$/],
  ['hybrid', `${TMPFS}\n${v1('cpu', 'memory', 'pids')}\n${UNIFIED}`, '', 'ok', /^cgroups are hybrid/],
  [
    'hybrid with a controller in the v2 tree',
    `${TMPFS}\n${v1('cpu', 'memory', 'pids')}\n${UNIFIED}`,
    'hugetlb',
    'ok error',
    /hugetlb is in the v2 tree .* crun runs nothing.*mount -t cgroup -o hugetlb cgroup \/sys\/fs\/cgroup\/hugetlb/s,
  ],
  ['none', TMPFS, '', 'error', /No cgroups are mounted.*mount -t cgroup2/s],
];

suite('how cgroups are mounted is examined', () => {
  for (const [name, mounts, owned, levels, text] of HOSTS) {
    test(name, () => {
      const findings = examineCgroups((path) => (path === '/proc/self/mountinfo' ? mounts : owned));

      assert.equal(findings.map(({ level }) => level).join(' '), levels);
      assert.match(
        findings
          .map((finding) => `${finding.text}\n${finding.advice ?? ''}`)
          .join('\n')
          .trim(),
        text,
      );
    });
  }
});

test('root and the kernel are examined', () => {
  const levels = (uid: number, kernel: string): string[] => examineHost(uid, kernel).map(({ level }) => level);

  assert.deepEqual(levels(0, '5.14.0-x'), ['ok', 'ok']);
  assert.deepEqual(levels(1000, '6.1.0'), ['warning', 'ok']);
  assert.deepEqual(levels(0, '5.13.19'), ['ok', 'error']);
  assert.deepEqual(levels(0, '4.19.0'), ['ok', 'error']);
});

test('a program that is not there, or is another one, is told with its package', async () => {
  const findings = await examinePrograms([
    { path: 'tar', inPackage: 'tar', mustSay: 'GNU tar' },
    { path: '/nonexistent/crun', inPackage: 'crun' },
    { path: 'tar', inPackage: 'bsdtar', mustSay: 'bsdtar' },
  ]);

  assert.deepEqual(
    findings.map(({ level, advice }) => [level, advice]),
    [
      ['ok', undefined],
      ['error', 'install it: apt-get install crun'],
      ['error', 'install it: apt-get install bsdtar'],
    ],
  );
});

test('a state folder that is not there yet is fine, one that others may read is not', () => {
  const [later, space] = examineState('/nonexistent/berth/state');
  const [open] = examineState('/tmp');

  assert.equal(later?.text, 'State folder /nonexistent/berth/state will be made');
  assert.match(space?.text ?? '', / are free at \/$/);
  assert.equal(open?.level, 'warning');
});

test('findings have marks that the locale has, and say what to do', () => {
  const findings: Finding[] = [
    { level: 'ok', text: 'fine', advice: 'nothing' },
    { level: 'warning', text: 'odd\x1b[31m', advice: 'look' },
    { level: 'error', text: 'bad', advice: 'act' },
  ];

  assert.deepEqual(findingLines(findings, { LANG: 'de_DE.UTF-8' }), [
    ...['✓ fine', '! odd\\x1b[31m', '    look', '✗ bad', '    act'],
  ]);
  assert.equal(findingLines(findings, { LC_ALL: 'C', LANG: 'de_DE.UTF-8' })[0], '+ fine');
  assert.equal(findingLines(findings, {})[3], 'x bad');
});

test('without a daemon the host is examined all the same, and the exit code says that something is wrong', async () => {
  const { code, stdout, stderr } = await berth(['doctor']);

  assert.equal(stderr, '');
  assert.equal(code, 1);
  assert.match(stdout.toString(), /^✓ Kernel \d/m);
  assert.match(stdout.toString(), /^✗ No daemon answers at \/nonexistent\/berth\.sock\n {4}start it: berth serve$/m);
});

test('what the daemon finds itself is told, with runs that belong to nobody', async () => {
  const world = new World();
  const parts = {
    ...engineOf(world),
    trouble: 'ENOSPC',
    foreign: [
      { run: { containerId: 'a'.repeat(64), number: 2 }, processes: 1 },
    ] as unknown as typeof world.engine.foreign,
    debts: () => [{ id: 'd1', kind: 'cgroup' as const, what: '/berth/x', since: 0, tries: 3, lastError: 'EBUSY' }],
  };
  await using served = await Served.open(parts, [{ level: 'warning', text: 'A process hangs' }]);

  const { code, stdout } = await berth(['doctor'], served);
  const json = await berth(['doctor', '--json'], served);

  const text = stdout.toString();
  assert.equal(code, 1);
  assert.match(text, /^✓ The daemon answers at .*: version 0\.1\.0, process \d+$/m);
  assert.match(text, /^! A process hangs$/m);
  assert.match(text, /^✗ State cannot be saved and is kept in memory: ENOSPC\n {4}\S/m);
  assert.match(text, /^! Not cleaned yet after 3 tries: \/berth\/x: EBUSY\n {4}.*berth debts --forgive d1/m);
  assert.match(
    text,
    /^! Run 2 of aaaaaaaaaaaa lives with 1 process and belongs to no container\n {4}.*--adopt aaaaaaaaaaaa/m,
  );
  const levels = (JSON.parse(json.stdout.toString()) as Finding[]).map(({ level }) => level);
  assert.ok(levels.includes('error'));
});

test('a run that belongs to nobody is settled as asked', async () => {
  const asked: string[] = [];
  const parts = {
    ...engineOf(new World()),
    adoptForeign: (id: string) => Promise.resolve(void asked.push(`adopt ${id}`)),
    removeForeign: (id: string) => Promise.resolve(void asked.push(`remove ${id}`)),
    forgiveDebt: (id: string) => Promise.resolve(void asked.push(`forgive ${id}`)),
  };
  await using served = await Served.open(parts);

  const outcomes = [
    await berth(['doctor', '--adopt', 'abc'], served),
    await berth(['doctor', '--remove', 'abc'], served),
    await berth(['debts', '--forgive', 'd1'], served),
  ];

  assert.deepEqual(asked, ['adopt abc', 'remove abc', 'forgive d1']);
  assert.ok(outcomes.every(({ code, stdout, stderr }) => code === 0 && stdout.length === 0 && stderr === ''));
});
