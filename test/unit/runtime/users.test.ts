import assert from 'node:assert/strict';
import { test } from 'node:test';
import { containerCapabilities } from '../../../src/runtime/capabilities.ts';
import { resolveUser } from '../../../src/runtime/users.ts';

const FILES: Readonly<Record<string, string>> = {
  '/etc/passwd':
    '# users\nroot:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001::/home/web:/bin/sh\n2000:x:3000:3000::/odd:/bin/sh\n',
  '/etc/group': 'root:x:0:\nweb:x:1001:\nextra:x:2000:web,other\nmore:x:2001:web\n',
};
const read = (path: string): string | undefined => FILES[path];

for (const [wanted, expected] of [
  ['', { uid: 0, gid: 0, additionalGids: [], home: '/root' }],
  ['web', { uid: 1000, gid: 1001, additionalGids: [2000, 2001], home: '/home/web' }],
  ['web:extra', { uid: 1000, gid: 2000, additionalGids: [], home: '/home/web' }],
  ['1000', { uid: 1000, gid: 1001, additionalGids: [2000, 2001], home: '/home/web' }],
  ['4711', { uid: 4711, gid: 0, additionalGids: [], home: '/' }],
  ['4711:4712', { uid: 4711, gid: 4712, additionalGids: [], home: '/' }],
  ['0:web', { uid: 0, gid: 1001, additionalGids: [], home: '/root' }],
  ['2000', { uid: 3000, gid: 3000, additionalGids: [], home: '/odd' }],
] as const) {
  test(`user "${wanted}" is uid ${expected.uid}, gid ${expected.gid}`, () => {
    assert.deepEqual(resolveUser(wanted, read), expected);
  });
}

for (const [wanted, supplemental, expected] of [
  ['web', { gids: [7] }, [2000, 2001, 7]],
  ['web:web', { gids: [] }, [2000, 2001]],
  ['web', { gids: [2000, 1001, 7, 7] }, [2000, 2001, 7]],
  ['web', { gids: [7, 8], isStrict: true }, [7, 8]],
  ['web:extra', { gids: [], isStrict: true }, []],
  ['4711:4712', { gids: [4712, 7] }, [7]],
] as const) {
  test(`user "${wanted}" with groups ${JSON.stringify(supplemental)} has ${expected.join(', ') || 'none'} beside its own`, () => {
    assert.deepEqual(resolveUser(wanted, read, supplemental).additionalGids, expected);
  });
}

test('a group that is no number of a group is refused', () => {
  for (const gid of [-1, 1.5, 2 ** 32]) {
    assert.throws(() => resolveUser('', read, { gids: [gid] }), {
      code: 'InvalidArgument',
      field: 'supplementalGroups',
    });
  }
});

test('an image without passwd has root and numbers', () => {
  assert.deepEqual(
    resolveUser('', () => undefined),
    { uid: 0, gid: 0, additionalGids: [], home: '/root' },
  );
  assert.equal(resolveUser('12:13', () => undefined).gid, 13);
});

for (const [wanted, message] of [
  ['nobody-here', /user "nobody-here": the image has none in \/etc\/passwd/],
  ['web:no-group', /group "no-group": the image has none in \/etc\/group/],
  ['4294967296', /user "4294967296"/],
  ['-1', /user "-1"/],
] as const) {
  test(`user "${wanted}" is refused`, () => {
    assert.throws(() => resolveUser(wanted, read), { code: 'InvalidArgument', field: 'user', message });
  });
}

test('capabilities are added and dropped by any spelling, and an unknown one is refused', () => {
  const all = ['CAP_CHOWN', 'CAP_NET_ADMIN', 'CAP_NET_RAW', 'CAP_SYS_TIME'];
  assert.deepEqual(containerCapabilities({}, all), ['CAP_CHOWN', 'CAP_NET_RAW']);
  assert.deepEqual(containerCapabilities({ addCapabilities: ['net_admin'] }, all), [
    'CAP_CHOWN',
    'CAP_NET_ADMIN',
    'CAP_NET_RAW',
  ]);
  assert.deepEqual(containerCapabilities({ dropCapabilities: ['ALL'], addCapabilities: ['CAP_SYS_TIME'] }, all), [
    'CAP_SYS_TIME',
  ]);
  assert.deepEqual(containerCapabilities({ addCapabilities: ['ALL'], dropCapabilities: ['net_raw'] }, all), [
    'CAP_CHOWN',
    'CAP_NET_ADMIN',
    'CAP_SYS_TIME',
  ]);
  assert.throws(() => containerCapabilities({ addCapabilities: ['FLY'] }, all), { field: 'security.addCapabilities' });
});
