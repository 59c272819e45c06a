#!/bin/sh
# npm test: sets up what tests need, and runs all of them; --long makes every repetition in full.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

[ "${1:-}" != --long ] || export BERTH_TEST_LONG=1
set_up test
# shellcheck disable=SC2086 # a list of words
install_packages $TEST_PACKAGES
make_test_programs
make_test_images
unset BERTH_SOCKET BERTH_FAIL
node=$(find_node)
started=$(date +%s)
failed=

# phase NAME COMMAND...: the others run on after one that fails.
phase() {
  name=$1
  shift
  say "== $name"
  since=$(date +%s)
  "$@" || failed="$failed, $name"
  say "== $name: $(($(date +%s) - since)) s"
}

# A test that hangs fails after 10 minutes; a file ends with its tests, and what it leaves is for the census to see.
tests() { "$node" --test --test-reporter=spec --test-timeout=600000 --test-force-exit --test-concurrency="$@"; }

census=$(mktemp -d)
trap 'rm -rf "$census"' EXIT
"$node" test/programs/census.ts >"$census/before"

phase check sh scripts/check.sh
phase parts tests 2 'test/linux/*.test.ts' 'test/runtime/*.test.ts' 'test/state/*.test.ts' 'test/images/*.test.ts' \
  'test/client/*.test.ts' 'test/cli/*.test.ts' 'test/streaming/*.test.ts'
# One daemon at a time: what they promise in milliseconds is measured.
phase contracts tests 1 'test/contracts/*-crun.test.ts' 'test/contracts/*-cni.test.ts'
phase networks tests 1 'test/network/*.test.ts'
phase stories tests 1 'test/stories/*.test.ts'
phase chaos tests 1 'test/chaos/*.test.ts'

"$node" test/programs/census.ts >"$census/after"
diff "$census/before" "$census/after" || failed="$failed, the host is not as it was (< before, > after)"

[ -z "$failed" ] || fail "failed after $(($(date +%s) - started)) s: ${failed#, }"
say "all tests have passed, in $(($(date +%s) - started)) s; the host is as it was"
