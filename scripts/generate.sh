#!/bin/sh
# npm run generate: makes the code in src/gen from the interfaces beside it.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh
[ -n "$(find_node)" ] || install_modules
exec "$(find_node)" scripts/generate.ts "$@"
