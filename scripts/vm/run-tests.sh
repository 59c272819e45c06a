#!/bin/sh
# Runs inside the guest: the tests that the file .tests names, one after the other, after a look at the host.
set -u
cd "$(dirname "$0")/../.."
. scripts/lib.sh
stty -F /dev/ttyS0 -onlcr # the host's terminal does that
export HOME=/root BERTH_TEST_SLOW=10 NO_COLOR=1 NODE_OPTIONS="--require $PWD/scripts/vm/one-thread.cjs"
node=$(find_node) || fail 'the pinned Node does not run in the guest'

say "the guest runs: kernel $(uname -r), $(crun --version | head -n 1), up for $(cut -d ' ' -f 1 /proc/uptime) s"
make_group
warm_cache
code=0
start_daemon && ./berth doctor || code=$?
kill "$(cat "$PID_FILE")"
# shellcheck disable=SC2046 # a list of words
NODE_COMPILE_CACHE=/var/cache/berth/compile "$node" --disable-warning=ExperimentalWarning --test --test-concurrency=1 \
  --test-timeout=1200000 --test-reporter=spec $(cat .tests) || code=$?
exit "$code"
