# lib.bash: what every mount test shares.
#
# A topic file sources this file, makes volumes, mounts them and calls `it "sentence" function [arguments]` for each
# test. Each test runs in a subshell with `set -eu`; it prints `ok` or `not ok` with its sentence, and on failure the last lines
# of what it printed. Nothing is skipped: a volume that cannot be mounted is one clear `not ok` line and ends the topic.
#
# Environment
#   CONTENDER     integrityfs (default) or ext4: the same tests over ext4 on a loop device, to prove the tests themselves
#   INTEGRITYFS   the program under test; default: artifacts/bin/integrityfs of this clone (tests/run publishes it)
#   FAST          1: smaller numbers, for daily work
#   TEST_DIR      where images and mount points live; default /var/tmp
#   MOUNT_OPTIONS more mount options for every mount, for example data=auto
#
# Whatever happens, the exit trap unmounts, detaches and ends what this topic started, by path and by process id.

set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPOSITORY=$(cd "$HERE/../.." && pwd)
CONTENDER=${CONTENDER:-integrityfs}
FAST=${FAST:-0}
MOUNT_OPTIONS=${MOUNT_OPTIONS:-}
INTEGRITYFS=${INTEGRITYFS:-$REPOSITORY/artifacts/bin/integrityfs}
TOPIC=$(basename "$0" .sh)
WORK=$(mktemp -d "${TEST_DIR:-/var/tmp}/integrityfs-$TOPIC.XXXXXX")
PASSED=0
FAILED=0
VOLUMES=()
export LC_ALL=C

# ---------------------------------------------------------------- results

plan_line() { # every topic ends with this line; its absence tells the runner that the topic died
  printf '# topic %s: %d passed, %d failed\n' "$TOPIC" "$PASSED" "$FAILED"
}

it() { # it SENTENCE FUNCTION [ARGUMENTS]
  local sentence=$1 log="$WORK/test.log" started=$SECONDS
  shift
  ( set -eu; "$@" ) >"$log" 2>&1 </dev/null
  local status=$?
  if [ $status -eq 0 ]; then
    PASSED=$((PASSED + 1))
    printf 'ok - %s (%d s)\n' "$sentence" $((SECONDS - started))
  else
    FAILED=$((FAILED + 1))
    printf 'not ok - %s (%d s, exit %d)\n' "$sentence" $((SECONDS - started)) $status
    tail -n 15 "$log" | sed 's/^/#   /'
  fi
  return $status
}

bail() { # one clear line, then the end of this topic
  FAILED=$((FAILED + 1))
  printf 'not ok - %s\n' "$*"
  exit 1
}

note() { printf '# %s\n' "$*"; }

fail() { # inside a test
  printf 'failed: %s\n' "$*"
  exit 1
}

same() { # same WHAT EXPECTED ACTUAL
  [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

refused() { # refused COMMAND...: the command must fail
  if "$@"; then fail "must be refused: $*"; fi
}

refused_with() { # refused_with EXIT_CODE COMMAND...
  local expected=$1 status=0
  shift
  "$@" || status=$?
  [ "$status" = "$expected" ] || fail "expected exit code $expected, got $status: $*"
}

only_integrityfs() { # a topic that needs the product; with another contender it says so and ends
  [ "$CONTENDER" = integrityfs ] && return
  note "topic $TOPIC is about IntegrityFs only; contender $CONTENDER not tested"
  exit 0
}

full_or_fast() { # full_or_fast FULL FAST: a number for the mode
  if [ "$FAST" = 1 ]; then echo "$2"; else echo "$1"; fi
}

need() { # need COMMAND...: tools from Debian packages that tests/run installs
  local tool
  for tool; do
    command -v "$tool" >/dev/null || bail "topic $TOPIC needs the command '$tool'; run tests/run, which installs it"
  done
}

# ---------------------------------------------------------------- volumes

image_of() { echo "$WORK/$1.img"; }
key_of() { echo "$WORK/$1.key"; }
dir_of() { echo "$WORK/$1.mnt"; }
log_of() { echo "$WORK/$1.log"; }    # what the mount command printed
daemon_log_of() { echo "$WORK/$1.daemon.log"; }

options_of() { # options_of NAME [MORE]: the -o string
  local all="keyfile=$(key_of "$1"),log=$(daemon_log_of "$1")"
  [ -n "$MOUNT_OPTIONS" ] && all="$all,$MOUNT_OPTIONS"
  [ -n "${2:-}" ] && all="$all,$2"
  echo "$all"
}

make_volume() { # make_volume NAME SIZE [mkfs ARGUMENTS]
  local name=$1 size=$2
  shift 2
  VOLUMES+=("$name")
  mkdir -p "$(dir_of "$name")"
  rm -f "$(image_of "$name")"
  case $CONTENDER in
    integrityfs)
      [ -x "$INTEGRITYFS" ] || { echo "no program at $INTEGRITYFS: run tests/run or set INTEGRITYFS"; return 1; }
      [ -f "$(key_of "$name")" ] || ( umask 077; head -c 32 /dev/urandom >"$(key_of "$name")" )
      "$INTEGRITYFS" mkfs --key-file "$(key_of "$name")" --size "$size" "$@" "$(image_of "$name")"
      ;;
    ext4)
      truncate -s "$size" "$(image_of "$name")"
      mkfs.ext4 -q -F -b 4096 -E lazy_itable_init=1 "$(image_of "$name")"
      ;;
    *) echo "unknown contender $CONTENDER"; return 1 ;;
  esac
}

mount_volume() { # mount_volume NAME [OPTIONS]; the program's messages go to log_of NAME
  local name=$1 options=${2:-} status=0
  case $CONTENDER in
    integrityfs)
      "$INTEGRITYFS" mount "$(image_of "$name")" "$(dir_of "$name")" -o "$(options_of "$name" "$options")" \
        >>"$(log_of "$name")" 2>&1 </dev/null || status=$?
      [ $status -eq 0 ] || { echo "mount exit $status: $(tail -n 3 "$(log_of "$name")")"; return $status; }
      ;;
    ext4) mount -o "loop${options:+,$options}" "$(image_of "$name")" "$(dir_of "$name")" || return $? ;;
  esac
  mountpoint -q "$(dir_of "$name")" || { echo "mount reported success, but $(dir_of "$name") is not a mount point"; return 1; }
}

daemon_of() { # daemon_of NAME: process ids that serve this volume (the image's path is theirs alone)
  local image pid
  image=$(image_of "$1")
  for pid in /proc/[0-9]*; do
    pid=${pid#/proc/}
    [ "$pid" = $$ ] || [ "$pid" = "$BASHPID" ] && continue
    case $(readlink "/proc/$pid/exe" 2>/dev/null) in */integrityfs | */dotnet) ;; *) continue ;; esac
    if tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF -- "$image"; then echo "$pid"; fi
  done
}

wait_gone() { # wait_gone SECONDS PID...: until the processes have ended
  local deadline=$((SECONDS + $1)) pid
  shift
  for pid; do
    while kill -0 "$pid" 2>/dev/null && [ "$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$pid/status" 2>/dev/null)" != Z ]; do
      [ $SECONDS -lt $deadline ] || { echo "process $pid still runs"; return 1; }
      sleep 0.05
    done
  done
}

umount_volume() { # umount_volume NAME: unmounts and waits until the daemon has ended
  local daemons status=0
  daemons=$(daemon_of "$1")
  umount "$(dir_of "$1")" || return $?
  # shellcheck disable=SC2086
  [ -z "$daemons" ] || wait_gone 60 $daemons || status=1
  return $status
}

remount_volume() { # leaves the volume first: a test that works in it would keep it busy
  cd / && umount_volume "$1" && mount_volume "$1" "${2:-}"
}

kill_volume() { # kill_volume NAME: SIGKILL to the daemon, then the dead mount is taken away
  local daemons pid
  daemons=$(daemon_of "$1")
  [ -n "$daemons" ] || { echo "no daemon found for $(image_of "$1")"; return 1; }
  for pid in $daemons; do kill -KILL "$pid"; done
  # A process that waits for the disk ends when the disk has answered.
  # shellcheck disable=SC2086
  wait_gone 120 $daemons
  umount -l "$(dir_of "$1")" 2>/dev/null
  detach_loops "$(image_of "$1")"
  return 0
}

check_volume() { # check_volume NAME: the checker finds nothing
  case $CONTENDER in
    integrityfs) "$INTEGRITYFS" fsck --key-file "$(key_of "$1")" -n "$(image_of "$1")" ;;
    ext4) e2fsck -fn "$(image_of "$1")" ;;
  esac
}

detach_loops() { # detach_loops IMAGE
  local device
  for device in $(losetup -n -O NAME -j "$1" 2>/dev/null); do losetup -d "$device" 2>/dev/null; done
}

drop_volume() { # drop_volume NAME: unmount if mounted and remove the image, to give back its space
  if mountpoint -q "$(dir_of "$1")"; then umount_volume "$1" || return 1; fi
  rm -f "$(image_of "$1")"
}

start() { # start NAME SIZE [OPTIONS]: a mounted volume, or the end of the topic with one clear line
  local output
  output=$(make_volume "$1" "$2" 2>&1) || bail "topic $TOPIC could not format a volume: $(tail -n 1 <<<"$output")"
  VOLUMES+=("$1") # make_volume ran in a subshell
  output=$(mount_volume "$1" "${3:-}" 2>&1) || bail "topic $TOPIC could not mount a volume: $(tail -n 1 <<<"$output")"
}

finish() { # finish NAME: the usual end of a topic: unmount, check, give back the space
  it "The volume unmounts cleanly after the tests of this topic" umount_volume "$1"
  it "The checker finds nothing on the volume after the tests of this topic" check_volume "$1"
  rm -f "$(image_of "$1")"
}

cleanup() {
  local name pid directory
  trap - EXIT INT TERM
  for pid in $(jobs -p); do kill "$pid" 2>/dev/null; done
  # Mounts below a volume (a loop file in it) first: deepest path first.
  awk -v w="$WORK/" 'index($5, w) == 1 { print length($5), $5 }' /proc/self/mountinfo | sort -rn | cut -d' ' -f2- |
    while read -r directory; do umount "$directory" 2>/dev/null || umount -l "$directory" 2>/dev/null; done
  for name in $(printf '%s\n' "${VOLUMES[@]:-}" | sort -u); do
    for pid in $(daemon_of "$name"); do
      wait_gone 5 "$pid" >/dev/null || kill -KILL "$pid" 2>/dev/null
    done
  done
  losetup -n -O NAME,BACK-FILE 2>/dev/null | awk -v w="$WORK/" 'index($2, w) == 1 { print $1 }' |
    while read -r directory; do losetup -d "$directory" 2>/dev/null; done
  plan_line
  if [ "${KEEP:-0}" = 1 ]; then note "kept $WORK"; else rm -rf --one-file-system "$WORK"; fi
  [ "$FAILED" -eq 0 ]
}
trap 'cleanup; exit $((FAILED > 0))' EXIT
trap 'FAILED=$((FAILED + 1)); echo "not ok - topic $TOPIC was interrupted (time limit or signal)"; exit 1' INT TERM

[ "$(id -u)" = 0 ] || bail "the mount tests need root: they mount, make device nodes and change owners"
[ -c /dev/fuse ] || bail "mounting is impossible here: /dev/fuse is missing"
