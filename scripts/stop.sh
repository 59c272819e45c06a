#!/bin/sh
# npm stop: ends the daemon that npm start has started. Containers stay, unless --all is given.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

if ! ./berth version >/dev/null 2>&1; then
  [ "${1:-}" != --all ] || [ -z "$(ls /run/berth/runs 2>/dev/null)" ] ||
    fail "the daemon does not run, but containers do: 'npm start' first, then 'npm stop -- --all'"
  say 'berth does not run'
  exit 0
fi
if [ "${1:-}" = --all ]; then
  ./berth stop --all
  names=$(./berth ps -a -q)
  # shellcheck disable=SC2086 # a list of ids
    [ -z "$names" ] || ./berth rm $names >/dev/null
  for pod in $(./berth pods -q); do ./berth pods --remove "$pod"; done
fi
running=$(./berth ps -q | wc -l)
[ -e "$PID_FILE" ] || fail "the daemon that runs was not started by npm start: stop it where it was started (systemctl stop berth?)"
pid=$(./berth version --json | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')
[ "$pid" = "$(cat "$PID_FILE")" ] ||
  fail "the daemon that runs (pid $pid) was not started by npm start: stop it where it was started (systemctl stop berth?)"
kill -TERM "$pid" 2>/dev/null || true
waited=0
while [ -d "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null; do
  sleep 0.1
  waited=$((waited + 1))
  [ "$waited" -lt 100 ] || fail "the daemon (pid $pid) does not end: see $DAEMON_LOG"
done
rm -f "$PID_FILE"
say "berth has ended; $running containers run on"
