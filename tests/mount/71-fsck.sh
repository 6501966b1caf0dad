#!/bin/bash
# The checker on real images and on a loop device: damage is reported with its id, a careful repair loses nothing, a full
# repair leaves a volume that mounts and is clean, and what an operator gives up is given up loudly.
. "$(dirname "$0")/lib.bash"
only_integrityfs
need python3 losetup
make_volume small 8M --journal-size 1M >/dev/null || bail "topic $TOPIC could not format a volume"
mount_volume small || bail "topic $TOPIC could not mount a volume"
D=$(dir_of small)
I=$(image_of small)
K=$(key_of small)

flip() { # flip IMAGE OFFSET
  python3 - "$1" "$2" <<'P'
import os, sys
f = os.open(sys.argv[1], os.O_RDWR); at = int(sys.argv[2]); b = os.pread(f, 1, at); os.pwrite(f, bytes([b[0] ^ 0x10]), at); os.fsync(f)
P
}

fsck_exit() { # fsck_exit EXPECTED ARGUMENTS...: runs the checker and shows what it says
  local expected=$1 status=0
  shift
  "$INTEGRITYFS" fsck --key-file "$K" "$@" >"$WORK/fsck.out" 2>&1 || status=$?
  cat "$WORK/fsck.out"
  same "exit code of fsck $*" "$expected" "$status"
}

names() { # names: the names of the problems in the last JSON report
  python3 -c 'import json, sys; print(*sorted({p["name"] for p in json.load(open(sys.argv[1]))["problems"]}))' "$WORK/fsck.out"
}

place() { # place PATH OFFSET: block number and device offset of a byte of a file
  "$INTEGRITYFS" dump --json --key-file "$K" path "$1" "$I" | python3 -c '
import json, sys
at = int(sys.argv[1])
for e in json.load(sys.stdin)["extents"]:
    if e["offset"] <= at < e["offset"] + e["length"]:
        n = (at - e["offset"]) // 4096
        print(e["block"] + n, e["deviceOffset"] + 4096 * n)' "$2"
}

mkdir "$D/many" "$D/dir"
for n in $(seq 1 400); do echo "file $n" >"$D/many/name-$n"; done
head -c 200000 /dev/urandom >"$D/dir/big"
ln "$D/dir/big" "$D/dir/second"
ln -s target "$D/dir/link"
setfattr -n user.a -v value "$D/dir/big" 2>/dev/null || true
sha256sum <"$D/dir/big" >"$WORK/big.sum"
umount_volume small
cp --sparse=always "$I" "$WORK/pristine"
restore() { # also after a test that failed in the middle
  if mountpoint -q "$D"; then umount_volume small; fi
  cp --sparse=always "$WORK/pristine" "$I"
}

clean() {
  restore; local before; before=$(sha256sum <"$I")
  fsck_exit 0 -n "$I"; same "the image" "$before" "$(sha256sum <"$I")"
  fsck_exit 0 -n --json "$I"; same "problems" "" "$(names)"
  fsck_exit 0 -y "$I"; fsck_exit 0 -p "$I"
}
it "A whole volume has no problem, and -n writes nothing" clean

copies() { # one copy of each header structure, and of the tag tree's root
  local at
  for at in 100 65636; do
    restore; flip "$I" $at
    fsck_exit 4 -n --json "$I"; same "problem" superblock-copy "$(names)"
    fsck_exit 1 -p "$I"; fsck_exit 0 -n "$I"
  done
  restore; flip "$I" $((4096 + 5000)); fsck_exit 4 -n --json "$I"; same "problem" key-slot-copy "$(names)"
  fsck_exit 1 -p -f "$I"; fsck_exit 0 -n "$I"
}
it "A bad copy beside a good one is reported by -n, repaired by -p, and gone after it" copies

content() {
  restore; local block offset; read -r block offset < <(place /dir/big $((3 * 4096)))
  flip "$I" $((offset + 77))
  fsck_exit 4 -n --json "$I"; same "problem" data-block-bad "$(names)"
  python3 - "$WORK/fsck.out" "$block" <<'P'
import json, sys
p, = json.load(open(sys.argv[1]))["problems"]
assert p["id"] == 701 and p["block"] == int(sys.argv[2]) and p["path"].startswith("/dir/") and p["offset"] == 3 * 4096 and p["length"] == 4096, p
P
  fsck_exit 4 -y "$I" # no repair computes a tag over it
  refused_with 16 "$INTEGRITYFS" fsck --key-file "$K" -n --zero-block "$block" "$I"
  fsck_exit 16 --zero-block $((block + 1)) "$I" # that one is authentic
  fsck_exit 1 --zero-block "$block" "$I"; grep -q ZEROED "$WORK/fsck.out" || fail "nothing loud is said"
  fsck_exit 0 -n "$I"
  mount_volume small ro; same "zeros" 0 "$(tail -c +$((3 * 4096 + 1)) "$D/dir/big" | head -c 4096 | tr -d '\0' | wc -c)"; umount_volume small
}
it "A damaged block of a file stays an error until the operator names it to --zero-block" content

accepted() {
  restore; local block offset; read -r block offset < <(place /dir/big 8192)
  flip "$I" $((offset + 5)); fsck_exit 1 --accept-block "$block" "$I"; grep -q ACCEPTED "$WORK/fsck.out" || fail "nothing loud is said"
  fsck_exit 0 -n "$I"; mount_volume small ro; refused sha256sum --status -c <(sed "s| -| $D/dir/big|" "$WORK/big.sum")
  cat "$D/dir/big" >/dev/null; umount_volume small
}
it "--accept-block takes a block as it stands" accepted

everywhere() { # a flip in each used piece behind the journal, a sample of them: reported or harmless; after -y mounts, or is told
  local step at status left mounted=0 repaired=0; step=$(full_or_fast 7 29)
  for at in $(python3 - "$WORK/pristine" "$step" <<'P'
import sys
data = open(sys.argv[1], "rb").read(); step = int(sys.argv[2])
used = [a for a in range(131072 + (1 << 20), len(data), 4096) if data[a:a + 4096].strip(b"\0")]
print(*used[::step])
P
); do
    restore; flip "$I" $((at + 1234)); status=0
    "$INTEGRITYFS" fsck --key-file "$K" -y "$I" >"$WORK/fsck.out" 2>&1 || status=$?
    case $status in 0 | 1 | 4 | 5) ;; *) cat "$WORK/fsck.out"; fail "flip at $at: fsck -y gave $status" ;; esac
    [ $((status & 1)) -eq 0 ] || repaired=$((repaired + 1))
    left=0; "$INTEGRITYFS" fsck --key-file "$K" -n "$I" >"$WORK/again.out" 2>&1 || left=$?
    same "what is left after the repair of a flip at $at" $((status & 4)) "$left" || { cat "$WORK/fsck.out" "$WORK/again.out"; exit 1; }
    mount_volume small || fail "flip at $at: the repaired volume does not mount"
    mounted=$((mounted + 1)); find "$D" >/dev/null; umount_volume small
  done
  echo "$mounted images, $repaired with repairs"
  [ $repaired -ge 1 ] || fail "no flip needed a repair"
}
it "After a flip anywhere in the metadata -y leaves a volume that mounts, and a second check finds what the first has left" everywhere

lost_leaf() { # both cannot be told from outside which block is a leaf: damage every catalog leaf of /many until one costs names
  restore; local at found=0
  for at in $(python3 -c '
import sys
data = open(sys.argv[1], "rb").read()
print(*[a for a in range(131072 + (1 << 20), len(data), 4096) if data[a:a + 4] == b"CatN" and data[a + 6] == 0 and b"name-200" in data[a:a + 4096]])' "$WORK/pristine"); do
    flip "$I" $((at + 2000)); found=1
  done
  [ $found = 1 ] || fail "no leaf found"
  fsck_exit 4 -n --json "$I"; names | grep -q node-lost || fail "the lost leaf is not reported: $(names)"
  fsck_exit 4 -p -f "$I"
  fsck_exit 1 -y "$I"; fsck_exit 0 -n "$I"
  mount_volume small; find "$D" -type f >"$WORK/left"; [ "$(wc -l <"$WORK/left")" -ge 200 ] || fail "only $(wc -l <"$WORK/left") files are left"
  # The leaf may have held the directory of the big file, but not the file: it is there, perhaps in lost+found.
  find "$D" -type f -size +100k -exec sha256sum {} + | grep -qF "$(cut -d' ' -f1 "$WORK/big.sum")" || fail "another file is damaged"
  echo new >"$D/after"; umount_volume small; fsck_exit 0 -n "$I"
}
it "A lost leaf of the catalog costs the names in it: -n and -p say so, -y makes the rest whole" lost_leaf

gap() { # two descriptors of one transaction, with another one behind it
  restore; mount_volume small; local n before places level
  for n in 1 2 3; do echo "$n" >"$D/new-$n"; sync "$D/new-$n"; done
  kill_volume small
  places=$("$INTEGRITYFS" dump --json --key-file "$K" journal "$I" | python3 -c '
import json, sys
j = json.load(sys.stdin); ends = [t["position"] for t in j["transactions"]] + [j["end"]]
assert len(ends) >= 4, j
for p in (ends[-3], ends[-2] - 1): print(131072 + p % j["blocks"] * 4096 + 100)')
  for n in $places; do flip "$I" "$n"; done
  before=$(sha256sum <"$I")
  for level in -n -p; do
    fsck_exit 4 $level --json "$I"; same "problems" journal-gap "$(names)"
    python3 - "$WORK/fsck.out" <<'P'
import json, sys
report = json.load(open(sys.argv[1])); p, = report["problems"]
assert (p["id"], p["repair"], p["repaired"]) == (103, "-y", False) and report["exitCode"] == 4 and report["files"] > 400, report
assert not report["recovery"]["gapAccepted"], report
P
    same "the image after $level" "$before" "$(sha256sum <"$I")"
  done
  fsck_exit 4 -n "$I"; grep -q '103 journal-gap' "$WORK/fsck.out"; refused mount_volume small
  fsck_exit 1 -y --json "$I"; same "problems" journal-gap "$(names)"; fsck_exit 0 -n "$I"
  mount_volume small; [ "$(cat "$D/many/name-7")" = "file 7" ]; [ ! -e "$D/new-3" ]; umount_volume small
}
it "A gap in the journal is an entry of the report, with all else that there is; -y gives up what lies behind" gap

unusable() {
  local at before level
  for at in state label slots cut; do
    restore
    case $at in
      state) flip "$I" 108; flip "$I" $((65536 + 108)) ;; # no such state
      label) flip "$I" 40; flip "$I" $((65536 + 40)) ;;   # readable, not authentic
      slots) flip "$I" $((4096 + 5000)); flip "$I" $((65536 + 4096 + 5000)) ;;
      cut) truncate -s 5M "$I" ;;
    esac
    before=$(sha256sum <"$I")
    for level in -n -p -y; do
      fsck_exit 12 $level "$I"; same "findings ($at)" 1 "$(grep -c '\[109 volume-unusable\]$' "$WORK/fsck.out")"
      fsck_exit 12 $level --json "$I"; same "problem" volume-unusable "$(names)"
      grep -q '"exitCode": 12' "$WORK/fsck.out"
      same "the image after $level" "$before" "$(sha256sum <"$I")"
    done
  done
  restore; head -c 32 /dev/urandom >"$WORK/other"; chmod 600 "$WORK/other"; refused_with 8 "$INTEGRITYFS" fsck -n --key-file "$WORK/other" "$I"
}
it "A volume that cannot be opened because of what it holds is an entry of the report; a wrong key is none" unusable

verify_full() {
  restore; mount_volume small verify=full; umount_volume small
  local block offset; read -r block offset < <(place /dir/big 0); flip "$I" $((offset + 9))
  refused mount_volume small verify=full; refused mountpoint -q "$D"; mount_volume small; umount_volume small
}
it "verify=full makes the same check before anything is mounted" verify_full

loop_device() {
  restore; local device; device=$(losetup -f --show "$I")
  flip "$device" 100; fsck_exit 4 -n "$device"; fsck_exit 1 -p "$device"; fsck_exit 0 -n "$device"
  losetup -d "$device"; fsck_exit 0 -n "$I"
}
it "Report, repair and a clean second run on a loop device" loop_device

killed() { # a repair that is killed is a crash: the next one ends what it began
  local rounds n pid at; rounds=$(full_or_fast 25 6)
  for n in $(seq 1 "$rounds"); do
    restore
    for at in $(python3 -c '
import sys
data = open(sys.argv[1], "rb").read()
print(*[a for a in range(131072 + (1 << 20), len(data), 4096) if data[a:a + 4] == b"CatN" and data[a + 6] == 0 and b"name-200" in data[a:a + 4096]])' "$WORK/pristine"); do flip "$I" $((at + 2000)); done
    "$INTEGRITYFS" fsck --key-file "$K" -y "$I" >/dev/null 2>&1 & pid=$!
    sleep "0.0$((n % 10))"; kill -KILL $pid 2>/dev/null || true; wait $pid 2>/dev/null || true
    local status=0; "$INTEGRITYFS" fsck --key-file "$K" -y "$I" >"$WORK/fsck.out" 2>&1 || status=$?
    case $status in 0 | 1) ;; *) cat "$WORK/fsck.out"; fail "round $n: fsck -y after a killed one gave $status" ;; esac
    fsck_exit 0 -n "$I"
  done
}
it "A repair that is killed is a crash: the next repair ends it" killed

rm -f "$I"
