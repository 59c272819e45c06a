import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ContainerAnswer } from '../../src/client/index.ts';
import { jsonText, neutralise } from '../../src/cli/print/neutral.ts';
import { describeStatus } from '../../src/cli/print/status.ts';
import { tableLines } from '../../src/cli/print/table.ts';
import { ago } from '../../src/cli/print/time.ts';
import { formatDuration } from '../../src/base/units.ts';

const NEUTRAL: readonly (readonly [from: string, to: string])[] = [
  ['plain text, é, 漢, 🚢', 'plain text, é, 漢, 🚢'],
  ['\x1b[2J\x1b]0;title\x07', '\\x1b[2J\\x1b]0;title\\x07'],
  ['a\nb\r\tc', 'a\\nb\\r\\tc'],
  ['\x9b31m', '\\x9b31m'],
  ['\x7f\x00', '\\x7f\\x00'],
  ['\u202Egnp.exe\u2066', '\\u{202e}gnp.exe\\u{2066}'],
  ['a\u2028b\u200bc\ufeff', 'a\\u{2028}b\\u{200b}c\\u{feff}'],
  ['\ud800x', '\\u{d800}x'],
];

suite('what would steer a terminal is shown instead', () => {
  for (const [from, to] of NEUTRAL) test(to, () => assert.equal(neutralise(from), to));
});

test('JSON for a terminal has no such characters either, and still means the same', () => {
  const value = { name: '\u202Ex\x9b31m\x7f', list: ['\x1b[2J', '\u{e0001}'] };

  const text = jsonText(value, 2);

  assert.deepEqual(JSON.parse(text), value);
  assert.match(text, /^[\n\x20-\x7e]*$/);
});

test('the columns of a table fit what is in them, and its cells are neutral', () => {
  const lines = tableLines(
    ['ID', 'NAME', 'X'],
    [
      ['1', 'a🚢', 'x'],
      ['12345', '\x1b', ''],
    ],
  );

  assert.deepEqual(lines, ['ID     NAME  X', '1      a🚢    x', '12345  \\x1b']);
});

test('relative times are rough, durations are exact', () => {
  const times = [-5, 0, 999, 1_000, 59_999, 60_000, 7_200_000, 86_400_000 * 3, 86_400_000 * 20, 86_400_000 * 800];

  assert.deepEqual(
    times.map((ms) => ago(1_000_000 - ms, 1_000_000)),
    [
      ...['a moment ago', 'a moment ago', 'a moment ago', '1 second ago', '59 seconds ago', '1 minute ago'],
      ...['2 hours ago', '3 days ago', '2 weeks ago', '2 years ago'],
    ],
  );
  assert.deepEqual([0, 500, 3_010, 10_000, 12_300, 90_000].map(formatDuration), [
    ...['0ms', '500ms', '3.01s', '10s', '12.3s', '1m30s'],
  ]);
});

const base: ContainerAnswer = {
  id: 'f'.repeat(64),
  name: 'web',
  image: { name: 'img', id: 'sha256:1' },
  phase: 'created',
  createdAt: 0,
  isQuarantined: false,
  network: 'none',
  command: ['sh'],
  labels: {},
};
const exit = {
  run: 1,
  code: 137,
  isCodeKnown: true,
  isOom: false,
  cause: 'self',
  exitedAt: 60_000,
  witness: 'pidfd',
  log: 'complete',
} as const;

const STATUSES: readonly (readonly [answer: Partial<ContainerAnswer>, status: string])[] = [
  [{}, 'created'],
  [{ phase: 'running', startedAt: 0 }, 'running for 3 minutes'],
  [{ phase: 'running', startedAt: 0, isQuarantined: true }, 'running for 3 minutes, being looked at'],
  [{ phase: 'stopping', startedAt: 0 }, 'stopping'],
  [{ phase: 'paused', startedAt: 0 }, 'paused'],
  [{ phase: 'exited', exit: { ...exit, code: 3 } }, 'exited (3) 2 minutes ago'],
  [{ phase: 'exited', exit: { ...exit, cause: 'oom', isOom: true } }, 'exited (137, out of memory) 2 minutes ago'],
  [{ phase: 'exited', exit: { ...exit, code: 0, cause: 'stop' } }, 'exited (0, stopped) 2 minutes ago'],
  [{ phase: 'exited', exit: { ...exit, code: 127, cause: 'start-failed' } }, 'start failed (127) 2 minutes ago'],
  [
    { phase: 'exited', exit: { ...exit, code: 255, isCodeKnown: false, cause: 'monitor-lost' } },
    'exited (code unknown, its monitor died) 2 minutes ago',
  ],
];

suite('the status of a container', () => {
  for (const [answer, status] of STATUSES) {
    test(status, () => assert.equal(describeStatus({ ...base, ...answer }, 180_000), status));
  }
});
