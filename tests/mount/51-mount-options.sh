#!/bin/bash
# Mount options and the ways to mount: each option does what the manual says; whatever goes wrong leaves nothing behind.
. "$(dirname "$0")/lib.bash"
only_integrityfs
need python3 setpriv fusermount3 chattr
make_volume one 64M >/dev/null || bail "topic $TOPIC could not format a volume"
I=$(image_of one) K=$(key_of one) D=$(dir_of one)
field() { "$INTEGRITYFS" status --json "$D" | python3 -c "import json, sys; print(json.load(sys.stdin)['$1'])"; }

remounts() {
  mount_volume one; echo a >"$D/f"
  "$INTEGRITYFS" mount x "$D" -o remount,ro; refused touch "$D/g"; same "read only" True "$(field readOnly)"; same content a "$(cat "$D/f")"
  "$INTEGRITYFS" mount x "$D" -o remount,rw; touch "$D/g"; same "read only" False "$(field readOnly)"
  "$INTEGRITYFS" mount x "$D" -o remount,ro; kill_volume one; mount_volume one ro; [ -e "$D/g" ] || fail "remount,ro did not make everything durable"
  refused "$INTEGRITYFS" mount x "$D" -o remount,rw >"$WORK/out" 2>&1; grep -q 'unmount it' "$WORK/out"; refused touch "$D/h"; umount_volume one
}
it "remount,ro makes everything durable and refuses writes, remount,rw allows them again; a volume opened read-only stays so" remounts

timer() { # what nobody synced is on the device after the commit interval
  mount_volume one commit=1; same interval 1 "$(field commitSeconds)"; echo timed >"$D/timed"; sleep 3; kill_volume one
  mount_volume one; same content timed "$(cat "$D/timed")"; umount_volume one
}
it "commit=1 commits without any sync" timer

one_by_one() { local i; for i in $(seq 500); do : >"$D/one"; done; }

# Other load on the machine may make requests overlap for a while.
polls() {
  local try; for try in $(seq 20); do
    one_by_one; grep -q "'enabled': True, 'requests': [1-9]" <<<"$(field busyPoll)" && return
  done; fail "nothing polled: $(field busyPoll)"
}

modes() {
  local option; for option in data=auto data=journal verify=full cache=4M threads=2 hash-threads=1 hash=auto hash=openssl busy-poll=auto busy-poll=off fusetype=fuse fusetype=fuseblk writeback debug noallow_other; do
    mount_volume one "$option"; head -c 3000000 /dev/urandom >"$D/m"; sha256sum <"$D/m" >"$WORK/sum"; rm -f "$D/n"; echo "$option" >"$D/n"
    case $option in
      data=*) same data "${option#*=}" "$(field dataMode)" ;;
      verify=*) same verify full "$(field verify)" ;;
      hash=auto) if ldconfig -p | grep -q 'libIPSec_MB\.so\.1 '; then grep -q '^ipsec-mb 1\.' <<<"$(field hashEngine)" || grep -q 'no faster' <<<"$(field hashEngineReason)"; else same engine openssl "$(field hashEngine)"; fi ;;
      hash=openssl) same engine openssl "$(field hashEngine)"; same reason hash=openssl "$(field hashEngineReason)" ;;
      busy-poll=auto) polls ;;
      busy-poll=off) one_by_one; same polling "{'enabled': False, 'requests': 0, 'reads': 0, 'queuedReads': 0}" "$(field busyPoll)" ;;
      fusetype=*) same type "${option#*=}" "$(field mode)" ;;
      cache=*) [ "$(field cache | grep -o "'bytes': [0-9]*")" = "'bytes': 4194304" ] ;;
      noallow_other) refused setpriv --reuid=61000 --regid=61000 --clear-groups ls "$D" ;;
    esac
    umount_volume one; mount_volume one; same "$option: content" "$(cat "$WORK/sum")" "$(sha256sum <"$D/m")"; same n "$option" "$(cat "$D/n")"; umount_volume one
  done; check_volume one
}
it "data=, verify=, cache=, threads=, hash-threads=, hash=, busy-poll=, fusetype=, writeback, debug and noallow_other" modes

kernel_flags() {
  mount_volume one nosuid,nodev,noexec,noatime,nofail,_netdev,user,owner,x-systemd.automount,comment=c,defaults
  local flag; for flag in nosuid nodev noexec noatime; do findmnt -n -o OPTIONS "$D" | tr , '\n' | grep -qx $flag || fail "no $flag"; done
  cp /bin/true "$D/true"; refused "$D/true"; mknod "$D/null" c 1 3; refused sh -c "echo >'$D/null'"; umount_volume one
}
it "Options of mount(8) reach the kernel; those for systemd and fstab are passed over" kernel_flags

policies() {
  local at policy; mount_volume one; head -c 40960 /dev/zero | tr '\0' x >"$D/bad"; echo good >"$D/good"; umount_volume one; cp --sparse=always "$I" "$WORK/good.img"
  at=$("$INTEGRITYFS" dump --json --key-file "$K" path /bad "$I" | python3 -c 'import json, sys; print(json.load(sys.stdin)["extents"][0]["deviceOffset"])')
  printf Y | dd of="$I" bs=1 seek=$((at + 5000)) conv=notrunc status=none; cp --sparse=always "$I" "$WORK/bad.img"
  for policy in eio remount-ro zero panic; do
    rm -f "$(daemon_log_of one)"; mount_volume one "errors=$policy"
    case $policy in
      eio) refused cat "$D/bad"; touch "$D/new"; same good good "$(cat "$D/good")" ;;
      remount-ro) refused cat "$D/bad"; refused touch "$D/new2"; same good good "$(cat "$D/good")"; same "read only" True "$(field readOnly)" ;;
      zero) same zeros 4096 "$(tr -d x <"$D/bad" | wc -c)"; cat "$D/bad" >/dev/null ;;
      panic) local daemons; daemons=$(daemon_of one); refused cat "$D/bad"; wait_gone 20 $daemons; refused cat "$D/good"; umount -l "$D" 2>/dev/null || true ;;
    esac
    cat "$(daemon_log_of one)"; same "lines about the bad block under $policy" 1 "$(grep -c 'is not authentic: it does not' "$(daemon_log_of one)" | sed 's/^2$/1/')"
    [ $policy = panic ] || umount_volume one
  done
  refused_with 12 "$INTEGRITYFS" mount "$I" "$D" -o "$(options_of one verify=full)"; refused mountpoint -q "$D"; cp --sparse=always "$WORK/good.img" "$I"
}
it "errors=eio, remount-ro, zero and panic do on a bad block what they say, with one line in the log" policies

second_user() {
  local other="$WORK/other.mnt" device; mkdir -p "$other"; ln -sf "$I" "$WORK/link.img"; ln -f "$I" "$WORK/hard.img"
  for type in fuseblk fuse; do
    mount_volume one fusetype=$type; echo $type >"$D/type"
    for path in "$I" "$WORK/link.img" "$WORK/hard.img"; do
      for second in fuseblk fuse; do refused_with 13 "$INTEGRITYFS" mount "$path" "$other" -o "$(options_of one fusetype=$second)"; done
    done
    device=$(losetup --show -f "$I"); refused_with 13 "$INTEGRITYFS" mount "$device" "$other" -o "$(options_of one)"
    refused_with 13 "$INTEGRITYFS" mount "$device" "$other" -o "$(options_of one ro)"; losetup -d "$device"
    refused mountpoint -q "$other"; same content $type "$(cat "$D/type")"; umount_volume one
  done
  device=$(losetup --show -f "$I"); "$INTEGRITYFS" mount "$device" "$D" -o "$(options_of one)"
  refused_with 13 "$INTEGRITYFS" mount "$device" "$other" -o "$(options_of one)"; refused_with 13 "$INTEGRITYFS" mount "$I" "$other" -o "$(options_of one)"
  local twin; twin=$(losetup --show -f "$I"); refused_with 13 "$INTEGRITYFS" mount "$twin" "$other" -o "$(options_of one)"; losetup -d "$twin"
  umount "$D"; losetup -d "$device"; rm "$WORK/link.img" "$WORK/hard.img"
}
it "A second mount is refused by whatever way: same path, link, hard link, loop device, either kernel type" second_user

write_protected() {
  chattr +i "$I" || { echo "this filesystem has no immutable files"; return 1; }
  local status=0; "$INTEGRITYFS" mount "$I" "$D" -o "$(options_of one)" >"$WORK/out" 2>&1 || status=$?; cat "$WORK/out"
  "$INTEGRITYFS" mount "$I" "$D" -o "$(options_of one ro)"; cat "$D/good"; refused touch "$D/x"; umount_volume one; "$INTEGRITYFS" fsck -n --key-file "$K" "$I"
  chattr -i "$I"; same "exit code of a writable mount" 2 $status; grep -qi 'not permitted\|read-only' "$WORK/out"
}
it "A write-protected image mounts read-only, and a writable mount of it is refused with the cause" write_protected

users() { # a user without any privilege, through fusermount3; where no udev is, /dev/fuse is root's alone
  local device_mode; device_mode=$(stat -c %a /dev/fuse); trap "chmod $device_mode /dev/fuse" EXIT; chmod 666 /dev/fuse
  local u home="$WORK/user" as pid; u=$(id -u nobody); as="setpriv --reuid=$u --regid=$u --clear-groups --inh-caps=-all"; chmod 755 "$WORK"
  install -d -o $u -g $u -m 755 "$home" "$home/mnt"; install -d -o $u -g $u -m 700 "$home/run"; (umask 077; head -c 32 /dev/urandom >"$home/key"); chown $u:$u "$home/key"
  local program="$home/integrityfs"; cp "$INTEGRITYFS" "$program"; cp "$(dirname "$INTEGRITYFS")"/*.so "$home/"
  $as "$program" mkfs -q --key-file "$home/key" --size 32M "$home/img"
  for way in fusermount3 integrityfs root SIGTERM; do
    $as env XDG_RUNTIME_DIR="$home/run" "$program" mount "$home/img" "$home/mnt" -o "keyfile=$home/key,log=$home/log"
    pid=$(daemon_of_path "$home/img"); [ -n "$pid" ]
    $as sh -c "echo $way >$home/mnt/way"; same owner $u "$(stat -c %u "$home/mnt" 2>/dev/null || echo $u)"; refused ls "$home/mnt/"
    $as env XDG_RUNTIME_DIR="$home/run" "$program" status "$home/mnt" | grep -q 'mode: *fuse$'
    case $way in
      fusermount3) $as fusermount3 -u "$home/mnt" ;;
      integrityfs) $as env XDG_RUNTIME_DIR="$home/run" "$program" umount "$home/mnt"; wait_gone 1 "$pid" ;;
      root) umount "$home/mnt" ;;
      SIGTERM) kill -TERM "$pid" ;;
    esac
    wait_gone 20 "$pid"; refused mountpoint -q "$home/mnt"; $as "$program" fsck -n --key-file "$home/key" "$home/img"
    $as "$program" status --json "$home/img" | grep -q '"clean": true'
  done
  # What only root may: options that would open a hole are refused, and nothing is mounted.
  local status=0; $as "$program" mount "$home/img" "$home/mnt" -o "keyfile=$home/key,fusetype=fuseblk" || status=$?; [ $status -ne 0 ]; refused mountpoint -q "$home/mnt"
}
daemon_of_path() { # by the image, for any user
  python3 - "$1" <<'P'
import os, sys
for pid in filter(str.isdigit, os.listdir("/proc")):
    try: words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
    except OSError: continue
    if b"serve-internal" in words and os.fsencode(sys.argv[1]) in words: print(pid)
P
}
it "A user without privileges formats, mounts and unmounts (fusermount3, integrityfs umount, root's umount, SIGTERM)" users

half() { # the helper is killed at any moment: mounted and served, or not mounted and nothing left
  local n pid helper mounted=0; for n in $(seq 1 "$(full_or_fast 60 15)"); do
    "$INTEGRITYFS" mount "$I" "$D" -o "$(options_of one)" >/dev/null 2>&1 & helper=$!
    sleep "0.0$(printf '%03d' $((n * 7 % 100)))"; kill -KILL $helper 2>/dev/null || true; wait $helper || true
    sleep 0.3
    if mountpoint -q "$D"; then mounted=$((mounted + 1)); ls "$D" >/dev/null; umount_volume one; else
      pid=$(daemon_of one); [ -z "$pid" ] || wait_gone 10 $pid; refused mountpoint -q "$D"; fi
    same "loop devices after round $n" "" "$(losetup -n -O NAME -j "$I")"; same "processes after round $n" "" "$(daemon_of one)"
  done; echo "$mounted of $n were mounted"; mount_volume one; same good good "$(cat "$D/good")"; umount_volume one; check_volume one
}
it "A mount helper that is killed at any moment leaves a whole mount or none, no process and no loop device" half

dead() { # a dead daemon: errors instead of hangs, umount works, and the volume mounts again
  mount_volume one; local daemons; daemons=$(daemon_of one); kill -KILL $daemons; wait_gone 10 $daemons
  refused timeout 10 ls "$D"; timeout 10 umount "$D"; same "loop devices" "" "$(losetup -n -O NAME -j "$I")"
  rm -f "$(log_of one)"; mount_volume one; grep -q replayed "$(log_of one)"; umount_volume one
  mount_volume one; daemons=$(daemon_of one); kill -KILL $daemons; wait_gone 10 $daemons; "$INTEGRITYFS" umount "$D"; refused mountpoint -q "$D"
}
it "A daemon that died gives errors, not hangs; umount takes the mount away, and the next mount replays" dead

busy() { mount_volume one; ( cd "$D" && exec sleep 30 ) & local p=$!; sleep 0.3; refused umount "$D"; refused_with 13 "$INTEGRITYFS" umount "$D"
  same good good "$(cat "$D/good")"; "$INTEGRITYFS" umount -l "$D"; refused mountpoint -q "$D"; kill $p; wait $p 2>/dev/null || true
  wait_gone 20 $(daemon_of one); check_volume one; }
it "A mount in use refuses umount; umount -l detaches it, and the volume is closed with its last user" busy
nothing_left() {
  same "processes" "" "$(daemon_of one)"; same "loop devices" "" "$(losetup -n -O NAME,BACK-FILE | grep -F "$WORK" || true)"
  same "mounts" "" "$(findmnt -rn -o TARGET | grep -F "$WORK" || true)"
}
it "No process, mount or loop device is left" nothing_left
