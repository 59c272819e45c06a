#!/bin/sh
# npm run test:vm [-- FILE...]: runs what depends on cgroups in a Debian 12 guest with systemd and pure cgroup v2, under
# QEMU without KVM. The guest is about ten times slower than its host. It is built once and kept in /var/cache/berth/vm.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

TESTS='test/unit/linux/process.test.ts test/linux/cgroup.test.ts test/linux/children.test.ts test/runtime/guard.test.ts
  test/contracts/runtime-crun.test.ts test/stories/stop.test.ts test/stories/exec.test.ts test/stories/stuck.test.ts'
CACHE=/var/cache/berth/vm
GUEST_MEMORY_MIB=2048
LONGEST_RUN=3600 # seconds
# Not older than 6.1, and not 6.12: under QEMU's emulation that one ends in lockups. So it is Debian 12's, on any host.
SUITE=bookworm

[ "$(uname -m)" = x86_64 ] || fail "this machine is $(uname -m): the guest needs an x86_64 one"
check_host 'run test:vm'
[ "$available" -ge $((GUEST_MEMORY_MIB + 512)) ] ||
  fail "only $available MiB of memory are available: the guest needs $((GUEST_MEMORY_MIB + 512)) MiB; free some and try again"
# shellcheck disable=SC2086 # a list of words
install_packages $RUN_PACKAGES qemu-system-x86 mmdebstrap debian-archive-keyring e2fsprogs
install_modules

child=
work=
# Whatever runs in the background is ended with all its children, and its files go with it.
clean_up() {
  if [ -n "$child" ] && kill -KILL "$child" 2>/dev/null; then wait "$child" 2>/dev/null || true; fi
  child=
  [ -n "$work" ] || return 0
  rm -rf "$work" 2>/dev/null || { sleep 1 && rm -rf "$work"; } # its last processes may still be on their way out
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Waits for a background process where signals are answered at once, which a process in the foreground would delay.
run() {
  "$@" &
  child=$!
  code=0
  wait "$child" || code=$?
  child=
  return "$code"
}

# The address from which apt gets a suite's main component on this machine; its own sources know it.
# $1: the suite's name here; empty when there is none.
address_of() {
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' |
    awk -v suite="$1" '$2 == suite && $3 == "main" && ($4 == "" || $4 == "Debian") { print $1; exit }'
}

build_guest() {
  # shellcheck source=/dev/null
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
  mirror=${BERTH_VM_MIRROR:-$(address_of "$codename")}
  [ -n "$mirror" ] ||
    fail "apt's sources on this machine name no Debian mirror: set BERTH_VM_MIRROR to the address of one and try again"
  security=$(address_of "$codename-security")
  say 'building the guest (once, about a minute)'
  rm -rf "$CACHE"/building.* "$CACHE"/guest-*
  work=$(mktemp -d "$CACHE/building.XXXXXX")
  # shellcheck disable=SC2086 # a list of words
  run unshare --mount --pid --fork --kill-child --mount-proc \
    sh scripts/vm/build-guest.sh "$work" "$SUITE" "$mirror" "$security" $RUN_PACKAGES >"$CACHE/build.log" 2>&1 || {
    tail -n 5 "$CACHE/build.log" >&2
    fail "the guest could not be built: its last words are above, all of them in $CACHE/build.log"
  }
  mv "$work" "$guest"
  work=
}

mkdir -p "$CACHE"
exec 9>"$CACHE/lock"
flock 9 # somebody else may be building it
# shellcheck disable=SC2086 # a list of words
version=$({ cat scripts/vm/build-guest.sh scripts/vm/init scripts/vm/vm-tests.service && echo $SUITE $RUN_PACKAGES; } | sha256sum | cut -c 1-12)
guest=$CACHE/guest-$version
[ -d "$guest" ] || build_guest
exec 9>&-

# The clone with what runs it, as a file system of its own that the guest may write to.
work=$(mktemp -d "${TMPDIR:-/tmp}/berth-vm.XXXXXX")
mkdir "$work/clone"
modules=$("$(find_node)" scripts/vm/list-modules.ts)
# shellcheck disable=SC2086 # a list of words
tar -cf - berth package.json tsconfig.json bin packaging scripts src test $modules | tar -xf - -C "$work/clone"
# shellcheck disable=SC2086 # a list of words
[ $# -gt 0 ] || set -- $TESTS
printf '%s\n' "$@" >"$work/clone/.tests"
chown -R 0:0 "$work/clone"
truncate -s 1G "$work/clone.ext4"
mke2fs -q -t ext4 -E lazy_itable_init=1 -d "$work/clone" "$work/clone.ext4"
rm -rf "$work/clone"

say 'starting the guest (half a minute; all tests take about ten more)'
: >"$work/code"
began=$(date +%s)
# Writes to the guest's disk go to a file without a name. SIGKILL to `unshare` ends all that is below it.
run unshare --pid --fork --kill-child timeout "$LONGEST_RUN" \
  qemu-system-x86_64 -accel tcg,thread=multi -machine q35 -cpu qemu64 -smp 2 -m "$GUEST_MEMORY_MIB" \
  -nodefaults -no-user-config -no-reboot -display none \
  -kernel "$guest/vmlinuz" -initrd "$guest/initrd.img" \
  -append 'console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off nokaslr audit=0 random.trust_cpu=on rdinit=/init systemd.unit=vm-tests.service systemd.show_status=0' \
  -drive "file=$guest/root.ext4,format=raw,if=virtio,cache=unsafe,snapshot=on" \
  -drive "file=$work/clone.ext4,format=raw,if=virtio,cache=unsafe" \
  -serial stdio -serial "file:$work/code" </dev/null || code=$?
[ "$code" != 124 ] || fail "the guest did not end within $((LONGEST_RUN / 60)) minutes: the last test above hangs"
result=$(tr -d '\r\n' <"$work/code")
case $result in
  '' | *[!0-9]*) fail "the guest ended without a result (QEMU's code is $code): its last words are above; try again" ;;
  0) say "the tests passed in the guest ($(($(date +%s) - began)) s)" ;;
  *) printf 'berth: tests failed in the guest (code %s): see the failures above\n' "$result" >&2 ;;
esac
exit "$result"
