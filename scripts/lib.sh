# Shared by the scripts behind npm start, npm stop and npm test. POSIX sh; sourced from the clone's root.

say() { printf '%s\n' "$*"; }

# One line that says what is wrong and what to do.
fail() {
  printf 'berth: %s\n' "$*" >&2
  exit 1
}

# The packages that a running berth needs, and those that its tests need besides.
RUN_PACKAGES='libatomic1 crun conmon catatonit containernetworking-plugins iproute2 nftables iptables conntrack util-linux tar'
TEST_PACKAGES='strace e2fsprogs fuse2fs attr skopeo umoci openssl perl-base bash'
CONFORMANCE_PACKAGES='containernetworking-plugins iptables catatonit'

check_host() {
  [ "$(uname -s)" = Linux ] || fail "this system is $(uname -s): berth needs Linux"
  case $(uname -m) in x86_64 | aarch64) ;; *) fail "this machine is $(uname -m): berth needs x86_64 or aarch64" ;; esac
  [ "$(id -u)" = 0 ] || fail "you are not root: run 'sudo npm $1'"
  kernel=$(uname -r)
  major=${kernel%%.*}
  minor=${kernel#*.}
  minor=${minor%%[!0-9]*}
  [ "$major" -gt 5 ] || { [ "$major" = 5 ] && [ "$minor" -ge 14 ]; } ||
    fail "the kernel is $kernel: berth needs 5.14 or newer (cgroup.kill); boot a newer one"
  available=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
  [ "$available" -ge 300 ] || fail "only $available MiB of memory are available: berth needs 300 MiB; free some and try again"
}

# install_packages NAME...: only what is missing, with the system's package manager.
install_packages() {
  there=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii  *//p')
  missing=
  for package in "$@"; do
    printf '%s\n' "$there" | grep -qx "$package" || missing="$missing $package"
  done
  [ -z "$missing" ] && return
  command -v apt-get >/dev/null || fail "please install these packages and try again:$missing"
  say "installing system packages:$missing"
  log=$(mktemp)
  # shellcheck disable=SC2086 # a list of words
  if ! { DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing ||
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing; }; } \
    >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    fail "the packages could not be installed:$missing (all of apt's words are in $log)"
  fi
  rm -f "$log"
}

# unpack_packages FOLDER NAME...: what they hold, without installing them: neither are their conflicts in the way, nor are
# their services started.
unpack_packages() {
  target=$1
  shift
  folder=$(mktemp -d)
  chmod 755 "$folder" # apt downloads as another user
  (cd "$folder" && { apt-get download -q "$@" || { apt-get update -q && apt-get download -q "$@"; }; }) >"$folder/log" 2>&1 ||
    fail "these packages cannot be downloaded: $* (all of apt's words are in $folder/log)"
  mkdir -p "$target"
  for package in "$folder"/*.deb; do
    dpkg-deb --extract "$package" "$target" || fail "package ${package##*/} cannot be unpacked into $target"
  done
  rm -rf "$folder"
}

# cache_program PACKAGE NAME: the path of a program for the tests, which another package of the host may conflict with.
cache_program() {
  program=/var/cache/berth/test/$2
  if [ ! -x "$program" ]; then
    unpacked=$(mktemp -d)
    unpack_packages "$unpacked" "$1" >&2
    mkdir -p "${program%/*}"
    for found in "$unpacked/bin/$2" "$unpacked/usr/bin/$2"; do
      [ ! -x "$found" ] || { cp "$found" "$program.new" && mv "$program.new" "$program"; }
    done
    rm -rf "$unpacked"
  fi
  [ -x "$program" ] || fail "package $1 has no program $2"
  printf '%s\n' "$program"
}

# What tests run besides the host's own programs: a static busybox for containers, and a registry that is no service.
make_test_programs() {
  BERTH_TEST_BUSYBOX=$(cache_program busybox-static busybox)
  BERTH_TEST_REGISTRY=$(cache_program docker-registry docker-registry)
  export BERTH_TEST_BUSYBOX BERTH_TEST_REGISTRY
}

# The images of test/support/conformance-images.ts, or with --bench those to measure with; built when there are none yet,
# or others.
make_test_images() {
  sh scripts/test-images.sh "$@" || exit 1
}

# The pinned Node and the libraries, at the versions of the lock file. Not "npm ci": it wants the packages for every
# other platform in the lock file as well, and a registry need not have them all.
install_modules() {
  if [ node_modules/.package-lock.json -nt package-lock.json ] && [ -n "$(find_node)" ]; then return; fi
  say 'installing npm packages'
  npm install --no-save --no-audit --no-fund --loglevel=error || fail "npm could not install the packages: see its words above, then try again"
  touch node_modules/.package-lock.json
  [ -n "$(find_node)" ] || fail "the pinned Node does not run: is libatomic1 installed?"
}

# Prints a Node that answers: the pinned one.
find_node() {
  case $(uname -m) in x86_64) arch=x64 ;; *) arch=arm64 ;; esac
  node=$PWD/node_modules/node-linux-$arch/bin/node
  "$node" --version >/dev/null 2>&1 && printf '%s\n' "$node"
}

# On hosts with v1 cgroups crun wants every controller in a v1 hierarchy; what is left in the v2 tree is moved.
mount_cgroups() {
  [ -d /sys/fs/cgroup ] || fail "there is no /sys/fs/cgroup: mount sysfs first"
  controllers=/sys/fs/cgroup/unified/cgroup.controllers
  [ -s "$controllers" ] || return 0
  for controller in $(cat "$controllers"); do
    say "mounting cgroup controller $controller"
    mkdir -p "/sys/fs/cgroup/$controller"
    mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller" ||
      fail "cgroup controller $controller cannot be mounted: is it in use in /sys/fs/cgroup/unified?"
  done
}

make_group() { getent group berth >/dev/null || groupadd --system berth; }

# Everything that a daemon needs on this host. $1: the npm script, for the messages.
set_up() {
  check_host "$1"
  # shellcheck disable=SC2086 # a list of words
  install_packages $RUN_PACKAGES
  install_modules
  mount_cgroups
  make_group
  warm_cache
}

# So that the first start is as quick as every other one.
warm_cache() {
  mkdir -p /var/cache/berth/compile
  [ -e /var/cache/berth/compile/.warm ] && [ /var/cache/berth/compile/.warm -nt node_modules/.package-lock.json ] &&
    [ -z "$(find src bin -newer /var/cache/berth/compile/.warm -name '*.ts' | head -n 1)" ] && return
  ./berth serve --check >/dev/null || fail "berth does not start: see its words above"
  ./berth version >/dev/null 2>&1 || true # no daemon runs yet
  touch /var/cache/berth/compile/.warm
}

PID_FILE=/run/berth/npm-start.pid
DAEMON_LOG=/var/lib/berth/daemon.log

# Starts a daemon in the background, unless one answers already: with the host's configuration, or else with that of
# npm start.
start_daemon() {
  if ./berth version >/dev/null 2>&1; then
    say 'the daemon runs already'
    return
  fi
  mkdir -p /run/berth
  mkdir -p -m 700 /var/lib/berth
    config=/etc/berth/config.toml
  [ -e "$config" ] || config=$PWD/packaging/start.toml
  setsid ./berth serve --config "$config" </dev/null >/dev/null 2>>"$DAEMON_LOG" &
  echo $! >"$PID_FILE"
  waited=0
  until ./berth version >/dev/null 2>&1; do
    sleep 0.05
    waited=$((waited + 1))
    if [ "$waited" -gt 200 ] || ! [ -d "/proc/$(cat "$PID_FILE")" ]; then
      tail -n 3 "$DAEMON_LOG" >&2
      fail "the daemon does not start: its last words are above, all of them in $DAEMON_LOG"
    fi
  done
  say "the daemon runs (pid $(cat "$PID_FILE"), log $DAEMON_LOG)"
}
