#!/bin/sh
# npm run test:images [-- --bench]: builds the images of test/support/conformance-images.ts from Debian packages, or with
# --bench those to measure with, into the storage of a registry below /var/cache/berth/test. Does nothing when they are
# there already. The same packages make the same images, byte for byte.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

PROGRAMS='busybox util-linux coreutils nginx catatonit'
CACHE=/var/cache/berth/test
RECIPES='scripts/test-images.sh scripts/test-images test/support/conformance-images.ts test/support/images.ts test/support/tar.ts'

kind=images
[ "${1:-}" != --bench ] || kind=bench-images

# The packages whose libraries the programs need.
libraries() {
  # shellcheck disable=SC2086 # a list of words
  apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances $PROGRAMS |
    sed -n 's/^[ |]*\(Pre\)\{0,1\}Depends: \(z\{0,1\}lib.*\)/\2/p' | sort -u
}

build_images() {
  # shellcheck disable=SC2046,SC2086 # lists of words
  unpack_packages "$work/packages" $PROGRAMS $(libraries)
  "$(find_node)" scripts/test-images/build.ts "$kind" "$work/packages" "$work/storage" >"$work/digests"
}

check_host 'run test:images'
install_modules
make_test_programs
mkdir -p "$CACHE"
exec 9>"$CACHE/$kind.lock"
flock 9 # somebody else may be building them
# shellcheck disable=SC2086 # a list of words
version=$(find $RECIPES -type f | LC_ALL=C sort | xargs cat | sha256sum | cut -c 1-12)
built=$CACHE/$kind-$version
if [ ! -d "$built" ]; then
  say "building test images ($kind)"
  work=$(mktemp -d "$CACHE/building.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  build_images || fail "the test images could not be built: see the words above"
  mv "$work/digests" "$work/storage/digests"
  mv "$work/storage" "$built"
fi
# Tests that run meanwhile keep what they serve: only what is a week old goes.
find "$CACHE" -maxdepth 1 -name "$kind-*" -type d ! -path "$built" -mtime +7 -exec rm -rf {} +
ln -sfn "$built" "$CACHE/$kind.new"
mv -T "$CACHE/$kind.new" "$CACHE/$kind"
