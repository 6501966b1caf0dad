#!/bin/bash
# Several filesystem stressors of stress-ng at once, then a clean check; and the daemon is afterwards what it was before:
# it keeps no memory and no descriptors of what is past.
#
# STRESS_SECONDS: how long each of the four groups runs; default 45, 15 with FAST=1.
. "$(dirname "$0")/lib.bash"
need stress-ng python3
# Never full, not even while a large fallocate is on its way to ENOSPC: the hdd stressor takes the gap that a short write
# leaves for wrong data.
start stress 8G
D=$(dir_of stress)
SECONDS_EACH=${STRESS_SECONDS:-$(full_or_fast 45 15)}

daemon_is() { # resident memory in KiB, and open descriptors
  local pid; pid=$(daemon_of stress)
  echo "$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status") $(ls "/proc/$pid/fd" | wc -l)"
}
stress() { # stress STRESSOR...: each with one worker, all at once; --verify makes them check what they read
  local arguments=() s
  for s; do arguments+=("--$s" 1); done
  mkdir -p "$D/tmp"
  stress-ng --temp-path "$D/tmp" --timeout "$SECONDS_EACH" --verify --oomable "${arguments[@]}" --hdd-bytes 64M --metrics-brief \
    >"$WORK/stress.out" 2>&1 || { tail -n 8 "$WORK/stress.out"; fail "stress-ng failed"; }
  if grep -E 'stress-ng: fail' "$WORK/stress.out"; then fail "a stressor saw wrong results"; fi
}
it "stress-ng: names (dentry, rename, link, symlink, dir, filename) run together without a failure" \
  stress dentry rename link symlink dir dirdeep filename
it "stress-ng: contents (hdd, seek, fallocate, copy-file, sync-file, sendfile, readahead) run together without a failure" \
  stress hdd seek fallocate copy-file sync-file sendfile readahead
it "stress-ng: attributes and locks (xattr, chmod, chown, utime, flock, lockf, fstat, getdent) run together without a failure" \
  stress xattr chmod chown utime flock lockf fstat getdent
it "stress-ng: the rest (open, file-ioctl, mknod, io, aio, touch, access, dnotify) run together without a failure" \
  stress open file-ioctl mknod io aio touch access dnotify

if [ "$CONTENDER" = integrityfs ]; then
  steady() { # the same work again and again: after the first rounds nothing grows
    local n before after; rm -rf "$D/tmp"
    round() {
      python3 - "$D/round" <<'P'
import os, shutil, sys
d = sys.argv[1]; os.mkdir(d)
for n in range(4000):
    with open(f"{d}/{n}", "wb") as f: f.write(b"%d" % n * 500)
for n in range(0, 4000, 2): os.rename(f"{d}/{n}", f"{d}/r{n}")
for n in range(0, 4000, 4): os.setxattr(f"{d}/r{n}", "user.x", b"v" * 100)
handles = [os.open(f"{d}/{n}", os.O_RDWR) for n in range(1, 1000, 2)]
for h in handles: os.pread(h, 100, 0)
for h in handles: os.close(h)
with open(f"{d}/big", "wb") as f:
    for n in range(40): f.write(os.urandom(1 << 20))
assert len(os.listdir(d)) == 4001
shutil.rmtree(d)
P
      echo 2 >/proc/sys/vm/drop_caches; sync -f "$D"
    }
    for n in 1 2 3; do round; done; before=$(daemon_is)
    for n in $(seq 1 "$(full_or_fast 8 4)"); do round; done; after=$(daemon_is)
    echo "KiB and descriptors before: $before, after: $after" | tee "$WORK/note"
    [ "${after% *}" -le $((${before% *} * 110 / 100 + 4096)) ] || fail "the daemon's memory grows"
    [ "${after#* }" -le "${before#* }" ] || fail "the daemon's descriptors grow"
  }
  it "The daemon's memory and descriptors do not grow with work that is done again and again" steady
  note "$(cat "$WORK/note" 2>/dev/null)"
  bounded() { # memory is bounded by the option, not by what was touched
    local small; umount_volume stress; mount_volume stress cache=16M
    dd if=/dev/urandom of="$D/large" bs=1M count=300 status=none; cat "$D/large" >/dev/null; echo 3 >/proc/sys/vm/drop_caches; cat "$D/large" >/dev/null
    small=$(daemon_is); rm "$D/large"; echo "with cache=16M: ${small% *} KiB after 300 MiB were written and read"
    [ "${small% *}" -le $((16384 + 131072)) ] || fail "${small% *} KiB with cache=16M"
  }
  it "The daemon's memory is bounded by cache=, whatever is written and read" bounded
fi
it "The volume unmounts after the load" umount_volume stress
it "The checker finds nothing after the load" check_volume stress
it "The volume mounts again" mount_volume stress
empty() { rm -rf "$D/tmp"; [ ! -e "$D/tmp" ]; }
it "Everything that the load left can be removed" empty
finish stress
