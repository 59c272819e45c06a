import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { story } from '../support/daemon.ts';
import { repetitions } from '../support/scale.ts';

/**
 * In a PID namespace whose numbers are handed out from the same few hundred again and again: forks victims that live
 * for some ms, and writes down every one that did not end as it should.
 */
const CHURN = `
use strict; use warnings; use Time::HiRes 'usleep';
my ($log) = @ARGV;
open(my $out, '>>', $log) or die; $out->autoflush(1);
my %victims; my $count = 0;
while (1) {
  if (open(my $last, '>', '/proc/sys/kernel/ns_last_pid')) { print $last 100 + int(rand(200)); close $last; }
  while (keys(%victims) < 20) {
    my $pid = fork(); last unless defined $pid;
    if ($pid == 0) { usleep(1000 * (2 + rand(60))); exit 0; }
    $victims{$pid} = 1; $count++;
  }
  while ((my $pid = waitpid(-1, 1)) > 0) {
    print $out "victim $pid ended with status $?\\n" if delete $victims{$pid} && $? != 0;
  }
  if ($count >= 1000) { open(my $c, '>', "$log.count"); print $c $count; close $c; }
  usleep(5000);
}
`;

const WRAPPER = `
perl ROOT/churn ROOT/victims & churn=$!
"$@" & daemon=$!
trap 'kill -TERM $daemon' TERM
wait $daemon; wait $daemon; code=$?
kill -9 $churn
exit $code
`;

story(
  'L17: with process numbers that are used again at once, no signal ever reaches another process',
  {
    programs: { churn: CHURN, wrapper: WRAPPER },
    wrap: ['unshare', '--pid', '--fork', '--mount-proc', '/bin/sh', 'ROOT/wrapper'],
  },
  async (daemon, t) => {
    const rounds = repetitions(1_000);
    const pids = new Set<number>();
    for (let round = 0; round < rounds; round += 1) {
      const { id, pid = 0 } = await daemon.run(
        round % 2 === 0 ? 'trap "exit 0" TERM; while :; do sleep 1 & wait $!; done' : 'sleep 0.02',
      );
      pids.add(pid);
      if (round % 4 === 0) await daemon.post(`/v1/containers/${id}/kill`, { signal: 'USR1' }).catch(() => undefined);
      await daemon.stop(id, { graceMs: 3_000 });
      await daemon.remove(id, true);
    }
    const victims = existsSync(`${daemon.root}/victims`) ? readFileSync(`${daemon.root}/victims`, 'utf8') : '';
    const churned = Number(readFileSync(`${daemon.root}/victims.count`, 'utf8'));
    t.diagnostic(`${rounds} containers had ${pids.size} different process numbers; ${churned} victims beside them`);

    assert.equal(victims, '');
    assert.ok(churned > rounds * 10);
    assert.ok(pids.size < rounds, 'numbers were used again');
  },
);
