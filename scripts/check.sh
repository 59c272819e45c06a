#!/bin/sh
# npm run check: format, lint, types, layers, dead code, generated code, unit tests, in under 30 s. Needs neither root nor
# containers.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh
[ -n "$(find_node)" ] || install_modules
node=$(find_node)

"$node" node_modules/@biomejs/biome/bin/biome check . || fail "the format is off: run 'npm run format'"
"$node" node_modules/.bin/oxlint --type-aware --quiet
"$node" node_modules/typescript/bin/tsc -p .
"$node" scripts/check-layers.ts
"$node" node_modules/knip/bin/knip.js
"$node" scripts/generate.ts --check
"$node" --test 'test/unit/**/*.test.ts' 'test/engine/*.test.ts' 'test/contracts/*-fake.test.ts'
