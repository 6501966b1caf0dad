#!/bin/bash
# What the README has a newcomer do: quickstart in a fresh clone, install, mount(8), fstab, systemd, fsck(8), uninstall.
. "$(dirname "$0")/lib.bash"
only_integrityfs
need git findmnt systemd-analyze
INSTALL=$REPOSITORY/mount-helpers/install
[ -x "$INSTALL" ] || bail "mount-helpers/install is missing"
trap '"$INSTALL" --uninstall >/dev/null 2>&1; cleanup; exit $((FAILED > 0))' EXIT
make_volume one 64M --label protected >/dev/null || bail "topic $TOPIC could not format a volume"
I=$(image_of one) K=$(key_of one) D=$(dir_of one)

elsewhere() { # a prefix of its own, twice, and away again without a trace
  mkdir "$WORK/root"; touch "$WORK/root/kept"; mkdir -p "$WORK/root/opt/x/share"
  find "$WORK/root" | sort >"$WORK/before"
  DESTDIR=$WORK/root "$INSTALL" --prefix /opt/x --sbin /sbin; DESTDIR=$WORK/root "$INSTALL" --prefix=/opt/x --sbin=/sbin --no-build
  find "$WORK/root" ! -type d | sort; local name
  for name in mount.integrityfs mount.fuse.integrityfs umount.integrityfs umount.fuse.integrityfs fsck.integrityfs fsck.fuse.integrityfs mkfs.integrityfs; do
    same "link of $name" /opt/x/lib/integrityfs/integrityfs "$(readlink "$WORK/root/sbin/$name")"
  done
  "$WORK/root/opt/x/lib/integrityfs/integrityfs" --version; [ -s "$WORK/root/opt/x/share/man/man1/integrityfs.1" ]
  DESTDIR=$WORK/root "$INSTALL" --prefix /opt/x --sbin /sbin --uninstall
  find "$WORK/root" | sort >"$WORK/after"; diff "$WORK/before" "$WORK/after"
  refused "$INSTALL" --frob; refused "$INSTALL" --prefix relative; "$INSTALL" --help | grep -q -- --uninstall
}
it "install --prefix puts everything below it, and --uninstall leaves nothing" elsewhere
system() {
  find /usr/local /sbin/ /etc/udev -newer "$WORK/before" 2>/dev/null | wc -l; "$INSTALL" --no-build; hash -r
  [ -x /sbin/mount.fuse.integrityfs ] && [ -x /sbin/fsck.fuse.integrityfs ] && integrityfs --version
  man -w integrityfs mount.fuse.integrityfs umount.integrityfs fsck.fuse.integrityfs mkfs.integrityfs
}
it "install puts the helpers where mount(8) looks, the program into PATH, and the pages where man(1) looks" system

mkfs_8() { mkfs -t integrityfs -q --key-file "$K" --size 16M "$WORK/by-mkfs.img"; fsck -t fuse.integrityfs "$WORK/by-mkfs.img" -- -n --key-file "$K" || fsck.integrityfs -n --key-file "$K" "$WORK/by-mkfs.img"; rm "$WORK/by-mkfs.img"; }
it "mkfs -t integrityfs formats" mkfs_8
loops() { # mount -o loop: mount(8) makes the loop device, and it goes with the mount
  mount -t fuse.integrityfs -o "loop,keyfile=$K" "$I" "$D"; echo loop >"$D/loop"; umount "$D"; sleep 0.3
  same "loop devices" "" "$(losetup -n -O NAME -j "$I")"
  local status=0; mount -t fuse.integrityfs -o "loop,keyfile=/none" "$I" "$D" 2>"$WORK/err" || status=$?; same "bits" 34 $status
  same "lines" 1 "$(wc -l <"$WORK/err")"; same "loop devices after a failure" "" "$(losetup -n -O NAME -j "$I")"
  mount -t integrityfs "$I" "$D" -o "keyfile=$K"; same content loop "$(cat "$D/loop")"; umount "$D"
  mount -t fuseblk.integrityfs "$I" "$D" -o "keyfile=$K"; umount "$D"
}
it "mount -o loop works, also where it fails; -t integrityfs means the same" loops
fstab() { # mount -a, by directory, with everything that administrators write into fstab
  mkdir -p "$WORK/second"; cp --sparse=always "$I" "$WORK/second.img"
  printf '%s\t%s\tfuse.integrityfs\tkeyfile=%s,nofail,_netdev,x-systemd.device-timeout=5,x-test=1,noatime,commit=7,errors=remount-ro\t0 2\n%s %s fuse.integrityfs keyfile=%s,ro,noauto,user,nosuid,nodev 0 0\n%s %s fuse.integrityfs keyfile=%s,nofail 0 0\n' \
    "$I" "$D" "$K" "$WORK/second.img" "$WORK/second" "$K" "$WORK/absent.img" "$WORK/second" "$K" >"$WORK/fstab"
  local status=0; mount -a -T "$WORK/fstab" 2>"$WORK/err" || status=$?; cat "$WORK/err"; echo "mount -a: $status"
  mountpoint -q "$D"; refused mountpoint -q "$WORK/second"; findmnt -n -o OPTIONS "$D" | grep -q noatime; integrityfs status "$D" | grep -q 'commit seconds: *7'
  mount -T "$WORK/fstab" "$WORK/second"; refused touch "$WORK/second/x"; umount "$D"; umount "$WORK/second"
  wait_gone 10 $(daemon_of one); check_volume one; same "utab" "" "$(grep -sF "$WORK" /run/mount/utab || true)"
}
it "fstab lines with nofail, _netdev, user, noauto and x-* mount with mount -a and by directory" fstab
remount_8() { mount -t fuse.integrityfs "$I" "$D" -o "keyfile=$K"; mount -o remount,ro "$D"; refused touch "$D/x"; mount -o remount,rw "$D"; touch "$D/x"; umount "$D"; }
it "mount -o remount,ro and remount,rw through mount(8)" remount_8
waits() { # umount returns when the volume is closed and free: at once mounted again, hundreds of files unsynced before
  local n; for n in 1 2 3 4 5; do
    mount -t fuse.integrityfs "$I" "$D" -o "keyfile=$K"; seq 1 500 | sed "s|^|$D/w$n-|" | xargs touch; umount "$D"
    integrityfs status --json "$I" | grep -q '"clean": true' || fail "round $n: not closed"
  done
  umount "$D" 2>/dev/null && fail "umount of nothing succeeds"; integrityfs mount "$I" "$D" -o "keyfile=$K"; umount.fuse.integrityfs "$D"; refused mountpoint -q "$D"
  mount -t fuse.integrityfs "$I" "$D" -o "keyfile=$K,helper=integrityfs"; umount -c "$D"; refused mountpoint -q "$D"
}
it "umount waits until the volume is closed, every way" waits
free_at_once() { # four at a time, which take each other's loop devices and processors; umount(8) and the helper in turns
  local each pids=() pid
  turns() {
    local n w=$WORK/free.$1; mkdir "$w" "$w/m"; cp --sparse=always "$I" "$w/i"
    for n in {1..30}; do
      mount -t fuse.integrityfs "$w/i" "$w/m" -o "keyfile=$K"; echo "$n" >"$w/m/turn"
      if ((n % 2)); then umount "$w/m"; else integrityfs umount "$w/m"; fi
      integrityfs dump --json --key-file "$K" path /turn "$w/i" >/dev/null
    done
    rm -r "$w"
  }
  for each in 1 2 3 4; do turns $each & pids+=($!); done
  for pid in "${pids[@]}"; do wait "$pid"; done
}
it "A volume is free as soon as umount returns, also on a busy machine" free_at_once

fsck_bits() {
  local as; for as in fsck.integrityfs fsck.fuse.integrityfs 'fsck -t fuse.integrityfs' 'fsck -t integrityfs'; do
    # shellcheck disable=SC2086
    case $as in "fsck "*) $as "$I" -- -n --key-file "$K" ;; *) $as -n --key-file "$K" "$I" ;; esac
  done
  fsck.fuse.integrityfs -a -T -l -M --key-file "$K" "$I"; refused_with 8 fsck.fuse.integrityfs -n --key-file "$K" "$WORK/none"; refused_with 16 fsck.fuse.integrityfs --frob
  cp --sparse=always "$I" "$WORK/bad"; mkdir -p "$WORK/bad.mnt"; mount -t fuse.integrityfs "$WORK/bad" "$WORK/bad.mnt" -o "keyfile=$K"; head -c 40960 /dev/urandom >"$WORK/bad.mnt/data"; umount "$WORK/bad.mnt"
  local at; at=$(integrityfs dump --json --key-file "$K" path /data "$WORK/bad" | python3 -c 'import json, sys; print(json.load(sys.stdin)["extents"][0]["deviceOffset"])')
  printf '\1\2\3' | dd of="$WORK/bad" bs=1 seek=$((at + 77)) conv=notrunc status=none
  refused_with 4 fsck.fuse.integrityfs -n --key-file "$K" "$WORK/bad"; local status=0; fsck -t fuse.integrityfs "$WORK/bad" -- -n --key-file "$K" || status=$?; same "bits through fsck(8)" 4 $((status & 4)); rm "$WORK/bad"
}
it "fsck(8) finds the checker by both types, and its exit bits arrive" fsck_bits

units() { # what systemd makes of the examples
  mkdir -p "$WORK/units"; sed "s|UUID=[0-9a-f-]*|/dev/loop0|" "$REPOSITORY/mount-helpers/systemd/fstab.example" >"$WORK/fstab.example"
  SYSTEMD_FSTAB="$WORK/fstab.example" /lib/systemd/system-generators/systemd-fstab-generator "$WORK/units" "$WORK/units" "$WORK/units"
  ls "$WORK/units"; [ -f "$WORK/units/srv-protected.mount" ] && [ -f "$WORK/units/etc-apparmor.d.mount" ] && [ -f "$WORK/units/srv-archive.automount" ]
  grep -q '^Type=fuse.integrityfs' "$WORK/units/srv-protected.mount"
  mkdir -p "$WORK/units/srv-protected.mount.d" "$WORK/units/apparmor.service.d"; cp "$REPOSITORY/mount-helpers/systemd/credential.conf" "$WORK/units/srv-protected.mount.d/"
  cp "$REPOSITORY/mount-helpers/systemd/fail-closed.conf" "$WORK/units/apparmor.service.d/"; printf '[Service]\nExecStart=/bin/true\n' >"$WORK/units/apparmor.service"
  SYSTEMD_UNIT_PATH="$WORK/units:" systemd-analyze verify --man=no "$WORK/units/srv-protected.mount" "$WORK/units/etc-apparmor.d.mount" "$WORK/units/apparmor.service" >"$WORK/out" 2>&1 || { cat "$WORK/out"; fail "systemd-analyze"; }
  cat "$WORK/out"; refused grep -E "$WORK/units|apparmor.service|\.mount" "$WORK/out"
}
it "systemd's generator and systemd-analyze accept the fstab and unit examples" units
tags() { # UUID= and LABEL=: with a running udev the real thing, without one what its rule prints and calls
  local rule=/etc/udev/rules.d/65-integrityfs.rules device; grep -q 'IMPORT{program}="/usr/local/lib/integrityfs/integrityfs probe' $rule; refused grep -q @program@ $rule
  integrityfs probe "$I" >"$WORK/probe"; cat "$WORK/probe"; grep -qx ID_FS_TYPE=integrityfs "$WORK/probe"; grep -qx ID_FS_LABEL=protected "$WORK/probe"; grep -qE '^ID_FS_UUID=[0-9a-f-]{36}$' "$WORK/probe"
  if [ ! -S /run/udev/control ]; then echo "no udev runs here"; return 0; fi
  device=$(losetup --show -f "$I"); udevadm trigger --settle "$device"; udevadm info "$device" | grep ID_FS
  mount -t fuse.integrityfs LABEL=protected "$D" -o "keyfile=$K"; umount "$D"; mount -t fuse.integrityfs "UUID=$(sed -n 's/^ID_FS_UUID=//p' "$WORK/probe")" "$D" -o "keyfile=$K"; umount "$D"; losetup -d "$device"
}
it "The udev rule names type, label and UUID, and by them volumes are mounted where udev runs" tags
uninstalled() {
  "$INSTALL" --uninstall; hash -r; refused command -v integrityfs; [ -z "$(find /sbin/ /usr/local /etc/udev -name '*integrityfs*' 2>/dev/null)" ] || fail "left: $(find /sbin/ /usr/local /etc/udev -name '*integrityfs*')"
}
it "uninstall leaves nothing" uninstalled

quickstart() { # in a fresh clone: twice, with what it prints done as printed
  git clone -q "$REPOSITORY" "$WORK/clone"; cd "$WORK/clone"
  # The fast run does not build the same program a second time.
  [ "$FAST" != 1 ] || { mkdir -p quickstart-volume/build; cp "$(dirname "$INTEGRITYFS")"/{integrityfs,*.so} quickstart-volume/build/; touch quickstart-volume/build/integrityfs; }
  ./mount-helpers/quickstart >"$WORK/first" 2>"$WORK/first.err" || { tail -n 5 "$WORK/first.err"; fail quickstart; }
  cat "$WORK/first"; local m=$WORK/clone/quickstart-volume/mnt; mountpoint -q "$m"; echo mine >"$m/mine"
  ./mount-helpers/quickstart >"$WORK/again" 2>&1; grep -q 'already mounted' "$WORK/again"; same content mine "$(cat "$m/mine")"
  local step; for step in '1. Use it' '2. Look at it'; do bash -euc "$(grep -F "$step" "$WORK/first" | sed 's/^ *[12]\. [A-Z][a-z]* *[a-z]* it *//')"; done
  # The third: its lines with the offset filled in.
  bash -euc "$(sed -n 's/^ *\(cp \/bin\/bash .*\)$/\1/p' "$WORK/first")"; refused mountpoint -q "$m"
  local at; at=$(bash -c "$(sed -n 's/^ *\(.* dump .*\)$/\1/p' "$WORK/first")" | head -n 1 | sed -n 's/.*device offset \([0-9]*\).*/\1/p'); [ -n "$at" ]
  bash -euc "$(sed -n 's/^ *\(printf X .*\)$/\1/p' "$WORK/first" | sed "s/DEVICE_OFFSET/$at/")" 2>/dev/null
  local status=0; bash -c "$(sed -n 's/^ *\(.* fsck -n .*\)$/\1/p' "$WORK/first")" >"$WORK/fsck" || status=$?; cat "$WORK/fsck"; same "fsck" 4 $status; grep -q /program "$WORK/fsck"
  ./mount-helpers/quickstart >/dev/null 2>&1; same content mine "$(cat "$m/mine")"; refused cat "$m/program" >/dev/null; quickstart-volume/build/integrityfs umount "$m"
  [ -z "$(git status --porcelain)" ] || fail "quickstart leaves $(git status --porcelain)"
}
it "quickstart in a fresh clone builds, mounts, and can be run again; the three things to try work as printed" quickstart
cleaned() { same "processes" "" "$(daemon_of one)"; same "loop devices" "" "$(losetup -n -O NAME,BACK-FILE | grep -F "$WORK" || true)"; same "mounts" "" "$(findmnt -rn -o TARGET | grep -F "$WORK" || true)"; }
it "No process, mount or loop device is left" cleaned
