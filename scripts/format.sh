#!/bin/sh
# npm run format: brings every file into the project's form.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh
[ -n "$(find_node)" ] || install_modules
exec "$(find_node)" node_modules/@biomejs/biome/bin/biome format --write .
