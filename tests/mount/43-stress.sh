#!/bin/bash
# Several filesystem stressors of stress-ng at once, then a clean check.
. "$(dirname "$0")/lib.bash"
need stress-ng
start stress 2G
D=$(dir_of stress)
SECONDS_EACH=$(full_or_fast 120 20)

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
it "The volume unmounts after the load" umount_volume stress
it "The checker finds nothing after the load" check_volume stress
it "The volume mounts again" mount_volume stress
empty() { rm -rf "$D/tmp"; [ ! -e "$D/tmp" ]; }
it "Everything that the load left can be removed" empty
finish stress
