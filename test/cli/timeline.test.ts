import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { EventLine } from '../../src/client/index.ts';
import { drawTimeline } from '../../src/cli/timeline/draw.ts';

process.env['TZ'] = 'UTC';

const START = Date.UTC(2026, 10, 20, 17, 45, 3, 120);
const ID = 'c'.repeat(64);
const WHO = 'cli (uid 0, pid 4711)';

type Step = readonly [at: number, type: EventLine['type'], run: number | undefined, body?: EventLine['body']];

function life(...steps: readonly Step[]): EventLine[] {
  return steps.map(([at, type, run, body = {}], index) => ({
    n: index + 1,
    type,
    time: START + at,
    boot: 5_000 + at,
    container: ID,
    ...(run === undefined ? {} : { run }),
    body,
  }));
}

const exit = { run: 1, code: 0, isCodeKnown: true, isOom: false, cause: 'stop', exitedAt: 0, witness: 'pidfd' };
const created: Step = [0, 'container.created', undefined, { name: 'web', image: { name: 'img', id: 'sha256:1' } }];
const started: Step = [20, 'container.started', 1, { pid: 99 }];
const asked: Step = [
  10_000,
  'stop.requested',
  1,
  { signal: 'SIGTERM', graceMs: 10_000, requester: WHO, reason: 'deploy', isKill: false },
];
const sent: Step = [10_004, 'stop.signalled', 1, { signal: 'SIGTERM', delivery: 'delivered', method: 'frozen' }];
const head = [`web (${ID}), image img`, '2026-11-20'];
const firstLines = [
  '  17:45:03.120              created',
  'run 1',
  '  17:45:03.140     +0.000s  started, PID 1 is process 99',
];

const LIVES: readonly (readonly [name: string, events: EventLine[], drawn: readonly string[]])[] = [
  ['one that was never started', life(created), [...head, '  17:45:03.120              created', 'never started']],
  [
    'one that was stopped as it should be',
    life(
      created,
      started,
      asked,
      sent,
      [11_000, 'stop.joined', 1, { requester: 'docker (uid 0, pid 5)', isForward: true }],
      [13_014, 'container.exited', 1, { exit: { ...exit, log: 'complete' } }],
      [13_050, 'container.cleaned', 1],
      [20_000, 'container.removed', undefined, { name: 'web' }],
    ),
    [
      ...head,
      ...firstLines,
      `  17:45:13.120     +9.980s  stop asked by ${WHO} (grace 10s, reason "deploy")`,
      '  17:45:13.124     +9.984s  SIGTERM sent (delivered)',
      '  17:45:14.120    +10.980s  stop joined by docker (uid 0, pid 5): the kill comes earlier',
      '  17:45:16.134    +12.994s  exited with code 0, cause stop, log complete, 3.01s after SIGTERM',
      '  17:45:16.170    +13.030s  cleaned',
      '  17:45:23.120    +19.980s  removed',
      'one stop signal, exited 3.01s after it, nothing left to clean',
    ],
  ],
  [
    'one that ignored its signal and was killed by its guard',
    life(
      created,
      started,
      [5_020, 'container.warning', 1, { warning: 'stop-signal-ignored', signal: 'SIGTERM' }],
      [10_000, 'stop.requested', 1, { signal: 'SIGTERM', graceMs: 500, requester: WHO, isKill: false }],
      [10_004, 'stop.signalled', 1, { signal: 'SIGTERM', delivery: 'ignored', method: 'frozen' }],
      [10_500, 'stop.escalated', 1, { signal: 'SIGKILL', by: 'guard' }],
      [10_510, 'container.exited', 1, { exit: { ...exit, code: 137, signal: 'SIGKILL', log: 'pending' } }],
      [10_600, 'container.log', 1, { log: 'complete' }],
      [10_700, 'debt.made', 1, { debt: 'd1', kind: 'cgroup', what: '/berth/x', error: 'EBUSY\n\x1b[31m' }],
    ),
    [
      ...head,
      ...firstLines,
      '  17:45:08.140     +5.000s  warning: PID 1 ignores SIGTERM',
      `  17:45:13.120     +9.980s  stop asked by ${WHO} (grace 500ms)`,
      '  17:45:13.124     +9.984s  SIGTERM sent (ignored by PID 1)',
      '  17:45:13.620    +10.480s  escalated: SIGKILL by its guard, 496ms after SIGTERM',
      '  17:45:13.630    +10.490s  exited by SIGKILL (code 137), cause stop, 10ms after SIGKILL',
      '  17:45:13.720    +10.580s  log complete',
      '  17:45:13.820    +10.680s  not cleaned yet: cgroup /berth/x: EBUSY\\n\\x1b[31m',
      'one stop signal (ignored by PID 1), then SIGKILL by its guard, exited 506ms after it, 1 thing left to clean',
    ],
  ],
  [
    'one with two runs, the second over midnight and a reboot',
    [
      ...life(
        created,
        started,
        [120, 'container.exited', 1, { exit: { ...exit, code: 3, cause: 'self', log: 'complete' } }],
        [130, 'container.cleaned', 1],
        [1_000, 'container.started', 2, { pid: 100 }],
      ),
      {
        n: 6,
        type: 'container.exited',
        time: START + 1_000 + 86_400_000,
        boot: 7,
        container: ID,
        run: 2,
        body: { exit: { ...exit, run: 2, code: 255, isCodeKnown: false, cause: 'self', log: 'cut' } },
      },
    ],
    [
      ...head,
      ...firstLines,
      '  17:45:03.240     +0.100s  exited with code 3, cause self, log complete',
      '  17:45:03.250     +0.110s  cleaned',
      'run 2',
      '  17:45:04.120     +0.000s  started, PID 1 is process 100',
      '2026-11-21',
      '  17:45:04.120  +86400.000s  exited with code unknown, cause self, log cut off',
      'run 2: exited by itself with code unknown after 1d0h, not cleaned yet',
    ],
  ],
  [
    'one whose start failed',
    life(created, [
      30,
      'container.exited',
      1,
      { exit: { ...exit, code: 127, cause: 'start-failed', message: 'x: not found', log: 'complete' } },
    ]),
    [
      ...head,
      '  17:45:03.120              created',
      'run 1',
      '  17:45:03.150     +0.000s  start failed with code 127: x: not found',
      'its start failed with code 127, not cleaned yet',
    ],
  ],
  [
    'one that is being stopped without an end, with a command in it',
    life(
      created,
      started,
      [100, 'exec.started', 1, { exec: 'e', args: ['sh', '-c', 'true'], requester: WHO }],
      [200, 'exec.ended', 1, { exec: 'e', code: 137, isTimedOut: true }],
      [300, 'container.killed', 1, { signal: 'SIGHUP', requester: WHO, reason: 'reload' }],
      [400, 'stop.requested', 1, { signal: 'SIGTERM', requester: WHO, isKill: false }],
      [404, 'stop.signalled', 1, { signal: 'SIGTERM', delivery: 'unknown', method: 'plain' }],
    ),
    [
      ...head,
      ...firstLines,
      '  17:45:03.220     +0.080s  command started: sh -c true',
      '  17:45:03.320     +0.180s  command ended with code 137: it took too long',
      `  17:45:03.420     +0.280s  SIGHUP sent by ${WHO} (reason "reload")`,
      `  17:45:03.520     +0.380s  stop asked by ${WHO} (no end to its grace)`,
      '  17:45:03.524     +0.384s  SIGTERM may have been sent (the daemon ended meanwhile)',
      'one stop signal (unknown), being stopped',
    ],
  ],
];

suite('the timeline of a container', () => {
  for (const [name, events, drawn] of LIVES) test(name, () => assert.deepEqual(drawTimeline(events), drawn));
});
