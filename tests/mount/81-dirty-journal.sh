#!/bin/bash
# A volume that was not unmounted: mounted read-only it shows all acknowledged data and no byte of the image changes.
. "$(dirname "$0")/lib.bash"
only_integrityfs
start dirty 128M
D=$(dir_of dirty)

make_dirty() {
  cp -a /usr/include/asm-generic "$D/"; sync -f "$D"
  head -c 3000000 /dev/urandom >"$WORK/r"; cp "$WORK/r" "$D/r"; sync "$D/r" "$D"
  kill_volume dirty; cp --sparse=always "$(image_of dirty)" "$WORK/copy.img"
}
it "A volume is left with a dirty journal" make_dirty

read_only_dirty() {
  local before; before=$(sha256sum <"$(image_of dirty)")
  mount_volume dirty ro; cmp "$WORK/r" "$D/r"; diff -r /usr/include/asm-generic "$D/asm-generic"
  refused touch "$D/x"; umount_volume dirty
  same "the image" "$before" "$(sha256sum <"$(image_of dirty)")"
}
it "A read-only mount of a dirty journal shows everything and writes nothing" read_only_dirty
write_protected() {
  local device; device=$(losetup --show -r -f "$(image_of dirty)")
  "$INTEGRITYFS" mount "$device" "$D" -o "$(options_of dirty ro)"; cmp "$WORK/r" "$D/r"
  umount "$D"; sleep 0.5; losetup -d "$device"
}
it "A write-protected device with a dirty journal mounts read-only" write_protected
fsck_n() {
  local before; before=$(sha256sum <"$(image_of dirty)")
  check_volume dirty; same "the image" "$before" "$(sha256sum <"$(image_of dirty)")"
}
it "fsck -n of a dirty volume is clean and writes nothing" fsck_n
recovers() { mount_volume dirty; cmp "$WORK/r" "$D/r"; diff -r /usr/include/asm-generic "$D/asm-generic"; }
it "A writable mount recovers it" recovers
finish dirty
