#!/bin/sh
# npm start: sets everything up, starts the daemon if none runs, and shows the main job.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

set_up start
start_daemon
exec "$(find_node)" --disable-warning=ExperimentalWarning scripts/demo.ts
