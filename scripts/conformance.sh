#!/bin/sh
# npm run conformance [-- OPTION... [FOCUS [-- CRITEST_FLAG...]]]: runs the CRI's own conformance suite, critest, against
# a daemon of its own, in namespaces of its own. FOCUS is a regular expression on the names of specs. Options: see
# scripts/conformance.ts. The suite is not part of this project: BERTH_CRITEST or $PATH says where it is.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

BERTH_CRITEST=${BERTH_CRITEST:-$(command -v critest || true)}
PATH=${BERTH_CRITEST%/*}:$PATH # for its ginkgo
export BERTH_CRITEST PATH
[ -x "$BERTH_CRITEST" ] || fail "critest is neither on the PATH nor named by BERTH_CRITEST: check out a release of Kubernetes' cri-tools, build it there with 'CGO_ENABLED=0 go test -c -mod=vendor -o critest ./cmd/critest', and set BERTH_CRITEST to its path"
set_up 'run conformance'
install_packages $CONFORMANCE_PACKAGES
case " $* " in *' --runtime containerd '* | *' --runtime=containerd '*) install_packages containerd runc ;; esac
make_test_programs
make_test_images

child=
work=$(mktemp -d /var/tmp/berth-conformance.XXXXXX)
chmod 711 "$work" # as /run is: the users of a pod's own come through to its root
name=${work##*/}
# The suite's own cgroup, where a runtime does not tell its driver.
suites_cgroups=$(find /sys/fs/cgroup -maxdepth 2 -type d -name test.slice)

# What runs in the namespaces dies with them, but cgroups are in none.
clean_up() {
  if [ -n "$child" ] && kill -KILL "$child" 2>/dev/null; then wait "$child" 2>/dev/null || true; fi
  find /sys/fs/cgroup -depth -type d -path "*/$name*" -exec rmdir {} +
  [ -n "$suites_cgroups" ] || find /sys/fs/cgroup -depth -type d -path '*/test.slice*' -exec rmdir {} +
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

node=$(find_node)
unshare --net --mount --ipc --pid --fork --kill-child --mount-proc \
  catatonit -- sh scripts/conformance/private-host.sh \
  "$node" scripts/conformance.ts --folder "$work" --cgroup "/$name" "$@" &
child=$!
code=0
wait "$child" || code=$?
child=
clean_up
left=$("$node" test/programs/census.ts "$name")
[ -z "$left" ] || fail "the host is not as it was: $left"
exit "$code"
