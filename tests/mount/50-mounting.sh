#!/bin/bash
# Mounting the way administrators do: mount(8), fstab, umount, fsck; second users and wrong keys are refused.
. "$(dirname "$0")/lib.bash"
only_integrityfs
need python3

start one 128M
D=$(dir_of one)
echo kept >"$D/file"

second_mount() {
  mkdir -p "$WORK/second.mnt"
  refused "$INTEGRITYFS" mount "$(image_of one)" "$WORK/second.mnt" -o "$(options_of one)"
  refused mountpoint -q "$WORK/second.mnt"
  refused "$INTEGRITYFS" mkfs --key-file "$(key_of one)" -f "$(image_of one)"
  same "the first mount" kept "$(cat "$D/file")"
}
it "A second mount, and mkfs, are refused while the volume is mounted, and the first mount is not harmed" second_mount
it "The volume unmounts and its daemon ends" umount_volume one

wrong_key() {
  local before right wrong status=0
  head -c 32 /dev/urandom >"$WORK/wrong.key"; chmod 600 "$WORK/wrong.key"
  before=$(sha256sum <"$(image_of one)")
  "$INTEGRITYFS" mount "$(image_of one)" "$D" -o "keyfile=$WORK/wrong.key" >"$WORK/wrong.out" 2>&1 || status=$?
  cat "$WORK/wrong.out"
  [ $status -ne 0 ] || fail "a wrong key was accepted"
  same "exit code" 11 $status
  grep -qi key "$WORK/wrong.out" || fail "the message does not say that the key is wrong"
  refused mountpoint -q "$D"
  status=0; "$INTEGRITYFS" fsck --key-file "$WORK/wrong.key" -n "$(image_of one)" >"$WORK/fsck.out" 2>&1 || status=$?
  cat "$WORK/fsck.out"; [ $status -ne 0 ] || fail "fsck accepted a wrong key"
  same "the image" "$before" "$(sha256sum <"$(image_of one)")"
  refused "$INTEGRITYFS" mount "$(image_of one)" "$D" -o "keyfile=$WORK/none.key"
  same "the image" "$before" "$(sha256sum <"$(image_of one)")"
}
it "A wrong or missing key is refused with the cause, and not a byte of the image changes" wrong_key

own_code() { # the code of a wrong key differs from the code of damage
  local wrong=0 damage=0 other=0
  "$INTEGRITYFS" fsck --key-file "$WORK/wrong.key" -n "$(image_of one)" >/dev/null 2>&1 || wrong=$?
  cp "$(image_of one)" "$WORK/damaged.img"
  dd if=/dev/zero of="$WORK/damaged.img" bs=64k count=2 conv=notrunc status=none
  "$INTEGRITYFS" fsck --key-file "$(key_of one)" -n "$WORK/damaged.img" >/dev/null 2>&1 || damage=$?
  rm "$WORK/damaged.img"
  [ $wrong -ne 0 ] && [ $damage -ne 0 ] || fail "codes: wrong key $wrong, destroyed header $damage"
  "$INTEGRITYFS" mount "$(image_of one)" "$D" -o "keyfile=$WORK/wrong.key" >"$WORK/a" 2>&1 || other=$?
  refused grep -q 'at IntegrityFs\.' "$WORK/a"
  echo "wrong key: fsck $wrong, mount $other; destroyed header: fsck $damage"
}
it "A wrong key and destroyed headers end with exit codes, never with a stack trace" own_code

mkfs_guards() {
  refused "$INTEGRITYFS" mkfs --key-file "$(key_of one)" "$(image_of one)"
  truncate -s 50M "$WORK/foreign.img"; mkfs.ext4 -q -F "$WORK/foreign.img"
  local before; before=$(sha256sum <"$WORK/foreign.img")
  refused "$INTEGRITYFS" mkfs --key-file "$(key_of one)" "$WORK/foreign.img"
  same "the foreign filesystem" "$before" "$(sha256sum <"$WORK/foreign.img")"
  "$INTEGRITYFS" mkfs -f --key-file "$(key_of one)" "$WORK/foreign.img"
  "$INTEGRITYFS" fsck --key-file "$(key_of one)" -n "$WORK/foreign.img"
  rm "$WORK/foreign.img"
}
it "mkfs refuses a volume of ours and of others without -f, and formats with it" mkfs_guards

block_sizes() {
  local size
  for size in 4096 8192 16384 65536; do
    make_volume "bs$size" 96M --block-size $size
    mount_volume "bs$size"
    cp -a /usr/include/asm-generic "$(dir_of "bs$size")/"; head -c 1000001 /dev/urandom >"$WORK/r"; cp "$WORK/r" "$(dir_of "bs$size")/r"
    remount_volume "bs$size"
    diff -r /usr/include/asm-generic "$(dir_of "bs$size")/asm-generic"; cmp "$WORK/r" "$(dir_of "bs$size")/r"
    umount_volume "bs$size"; check_volume "bs$size"; rm "$(image_of "bs$size")"
  done
}
it "Volumes with blocks of 4, 8, 16 and 64 KiB work" block_sizes

small_volume() {
  make_volume small 1M --journal-size 128K || make_volume small 1M
  mount_volume small; echo tiny >"$(dir_of small)/f"; remount_volume small
  same content tiny "$(cat "$(dir_of small)/f")"; umount_volume small; check_volume small
}
it "A volume of 1 MiB works" small_volume

status_json() {
  mount_volume one
  "$INTEGRITYFS" status --json "$D" | python3 -m json.tool >"$WORK/status"
  grep -qi 'fresh' "$WORK/status" || fail "status does not say whether freshness is anchored"
  umount_volume one
}
it "status --json of a mounted volume is JSON and speaks of freshness" status_json

terminated() { # SIGTERM commits and closes cleanly
  mount_volume one; echo term >"$D/term"; local daemons; daemons=$(daemon_of one)
  kill -TERM $daemons; wait_gone 30 $daemons
  umount -l "$D" 2>/dev/null || true; detach_loops "$(image_of one)"
  check_volume one; mount_volume one; same content term "$(cat "$D/term")"; umount_volume one
}
it "SIGTERM to the daemon loses nothing" terminated

read_only() {
  mount_volume one ro; same content kept "$(cat "$D/file")"
  refused touch "$D/new"; refused rm "$D/file"; refused sh -c "echo >>$D/file"
  local before after; umount_volume one; before=$(sha256sum <"$(image_of one)")
  mount_volume one ro; cat "$D/file"; ls -lR "$D" >/dev/null; umount_volume one
  after=$(sha256sum <"$(image_of one)"); same "the image after a read-only mount" "$before" "$after"
}
it "A read-only mount refuses writes and does not change a byte of the image" read_only

loop_device() {
  local device; device=$(losetup --show -f "$(image_of one)")
  "$INTEGRITYFS" mount "$device" "$D" -o "$(options_of one)"
  same content kept "$(cat "$D/file")"; echo dev >"$D/dev"; sync -f "$D"
  umount "$D"; sleep 0.5
  losetup -d "$device"; mount_volume one; same content dev "$(cat "$D/dev")"; umount_volume one
}
it "A block device is mounted as well as an image" loop_device

# From here on through mount(8): the helpers are installed, and removed again whatever happens.
INSTALL=$REPOSITORY/mount-helpers/install
uninstall() { "$INSTALL" --uninstall >/dev/null 2>&1; }
if [ ! -x "$INSTALL" ]; then bail "mount-helpers/install is missing: mount(8) cannot be tested"; fi
trap 'uninstall; cleanup; exit $((FAILED > 0))' EXIT
install_helpers() {
  "$INSTALL"
  [ -x /sbin/mount.fuse.integrityfs ]; [ -x /sbin/fsck.fuse.integrityfs ] || [ -x /sbin/fsck.integrityfs ]
}
it "mount-helpers/install puts the helpers where mount(8) looks" install_helpers

mount_8() {
  mount -t fuse.integrityfs "$(image_of one)" "$D" -o "keyfile=$(key_of one)"
  findmnt -n -o FSTYPE,SOURCE "$D" | grep integrityfs
  same content kept "$(cat "$D/file")"; echo m8 >"$D/m8"
  umount "$D"; sleep 0.2; wait_gone 30 $(daemon_of one)
  mount -t fuse.integrityfs -o "ro,nodev,nosuid,noexec,noatime,nofail,keyfile=$(key_of one)" "$(image_of one)" "$D"
  same content m8 "$(cat "$D/m8")"; refused touch "$D/x"
  findmnt -n -o OPTIONS "$D" | grep -q nosuid
  umount "$D"; wait_gone 30 $(daemon_of one)
}
it "mount -t fuse.integrityfs mounts, passes options, and umount ends the daemon" mount_8

with_fstab() {
  printf '%s %s fuse.integrityfs keyfile=%s,nofail,_netdev,noauto,x-test=1 0 2\n' "$(image_of one)" "$D" "$(key_of one)" >"$WORK/fstab"
  mount -T "$WORK/fstab" "$D"; same content kept "$(cat "$D/file")"
  umount "$D"; wait_gone 30 $(daemon_of one)
  refused mountpoint -q "$D"
}
it "An fstab line mounts" with_fstab

mount_fails() {
  local status=0
  mount -t fuse.integrityfs -o "keyfile=$WORK/wrong.key" "$(image_of one)" "$D" || status=$?
  [ $((status & 32)) -eq 32 ] || fail "exit code $status"
  status=0; mount -t fuse.integrityfs -o "keyfile=$(key_of one)" "$WORK/nothing.img" "$D" || status=$?
  [ $((status & 32)) -eq 32 ] || fail "exit code $status for a missing image"
  status=0; mount -t fuse.integrityfs -o "keyfile=$(key_of one),no-such-option" "$(image_of one)" "$D" || status=$?
  [ $status -ne 0 ] || fail "an unknown option is accepted"
  same "stray loop devices" "" "$(losetup -n -O NAME -j "$(image_of one)")"
}
it "mount(8) reports a refused mount with bit 32 and leaves no loop device" mount_fails

fsck_t() {
  fsck -t fuse.integrityfs "$(image_of one)" -- --key-file "$(key_of one)" -n ||
    fsck.fuse.integrityfs --key-file "$(key_of one)" -n "$(image_of one)"
  refused_with 8 fsck.fuse.integrityfs --key-file "$(key_of one)" -n "$WORK/nothing.img"
}
it "fsck -t fuse.integrityfs runs the checker" fsck_t

nothing_left() {
  same "processes" "" "$(daemon_of one)"
  same "mounts" "" "$(findmnt -rn -o TARGET | grep -F "$WORK" || true)"
  same "loop devices" "" "$(losetup -n -O NAME,BACK-FILE | grep -F "$WORK" || true)"
}
it "No process, mount or loop device is left" nothing_left
uninstalled() { "$INSTALL" --uninstall; [ ! -e /sbin/mount.fuse.integrityfs ]; }
it "mount-helpers/install --uninstall removes the helpers" uninstalled
