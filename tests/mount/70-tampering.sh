#!/bin/bash
# Offline changes of the image: no wrong byte is ever read, the daemon neither crashes nor hangs, one bad block costs
# no more than what it holds. The tests know the content that they wrote and look for it in the image, so most of them
# need no knowledge of the format.
#
# TAMPER_STEP: change one of so many used blocks; 1 is all of them, and takes half an hour.
. "$(dirname "$0")/lib.bash"
only_integrityfs
need python3
make_volume small 8M --journal-size 1M >/dev/null || bail "topic $TOPIC could not format a volume"
mount_volume small || bail "topic $TOPIC could not mount a volume"
D=$(dir_of small)
I=$(image_of small)
HITS=0

cat >"$WORK/blocks.py" <<'E'
"""Content with a known place: every 4 KiB block of a file says which file, version and block it is."""
import os, sys
def block(name, version, n): return (f"<{name} version {version} block {n:06d}>".encode() * 200)[:4096]
if __name__ == "__main__":
    what = sys.argv[1]
    if what == "write":        # write PATH NAME VERSION BLOCKS
        with open(sys.argv[2], "r+b" if os.path.exists(sys.argv[2]) else "wb") as f:
            for n in range(int(sys.argv[5])): f.write(block(sys.argv[3], sys.argv[4], n))
            f.flush(); os.fsync(f.fileno())
    elif what == "find":       # find IMAGE NAME VERSION BLOCK: offsets of that block in the image
        data = open(sys.argv[2], "rb").read(); want = block(sys.argv[3], sys.argv[4], int(sys.argv[5])); at = data.find(want)
        while at >= 0: print(at); at = data.find(want, at + 1)
    elif what == "used":       # used IMAGE: offsets of 4 KiB pieces that are not all zero
        data = open(sys.argv[2], "rb").read()
        for at in range(0, len(data), 4096):
            if data[at:at + 4096].strip(b"\0"): print(at)
E
flip() { # flip IMAGE OFFSET
  python3 - "$1" "$2" <<'E'
import os, sys
f = os.open(sys.argv[1], os.O_RDWR); at = int(sys.argv[2]); b = os.pread(f, 1, at); os.pwrite(f, bytes([b[0] ^ 0x10]), at)
E
}

prepare() {
  mkdir "$D/tree" "$D/tree/sub"
  for n in a b c; do python3 "$WORK/blocks.py" write "$D/tree/$n" $n 1 24; done
  echo inline >"$D/tree/inline"; ln -s target "$D/tree/link"; setfattr -n user.x -v value "$D/tree/a"
  chmod 4711 "$D/tree/b"; chown 12:34 "$D/tree/c"; seq 1 60 | sed "s|^|$D/tree/sub/name|" | xargs touch
  umount_volume small; mount_volume small; python3 "$HERE/manifest.py" "$D" >"$WORK/good"
  umount_volume small; check_volume small
  cp --sparse=always "$I" "$WORK/pristine"; cp --sparse=always "$I" "$WORK/version1"
}
it "A small volume with known content is made" prepare

cat >"$WORK/judge.py" <<'E'
"""Reads everything below DIRECTORY and compares with the manifest GOOD: each line must be equal, or its read an error.
Prints how many lines were unreadable; a wrong line or a name that never was ends with 1."""
import errno, os, subprocess, sys
sys.argv, root, good_path, manifest = sys.argv[:1], sys.argv[1], sys.argv[2], sys.argv[3]
source = open(manifest).read().rsplit("\nmain()", 1)[0]
space = {}; exec(compile(source, manifest, "exec"), space)
good = dict((l.split(" ")[0], l.rstrip("\n")) for l in open(good_path))
unreadable, seen = [], set()
def visit(path):
    name = os.path.relpath(path, root)
    try:
        line = space["line"](root, path, {})
        if repr(name) not in good: print(f"a name that never was: {name}"); sys.exit(1)
        if "as=" not in line and line != good[repr(name)]: print(f"WRONG DATA\n is   {line}\n was  {good[repr(name)]}"); sys.exit(1)
        seen.add(repr(name))
    except OSError as e:
        if e.errno not in (errno.EIO, errno.ESTALE): print(f"{name}: unexpected {e}"); sys.exit(1)
        unreadable.append(name)
def walk(directory):
    try: entries = sorted(os.listdir(directory))
    except OSError as e:
        if e.errno != errno.EIO: print(f"{directory}: unexpected {e}"); sys.exit(1)
        unreadable.append(directory); return
    for name in entries:
        path = os.path.join(directory, name); visit(path)
        try:
            if os.path.isdir(path) and not os.path.islink(path): walk(path)
        except OSError: pass
walk(root)
missing = set(good) - seen - {repr(u) for u in unreadable}
if missing and not unreadable: print(f"names vanished without an error: {sorted(missing)[:5]}"); sys.exit(1)
print(f"unreadable {len(unreadable)} {unreadable[:4]}")
E

# outcome IMAGE: mounts a changed image read-only and writable; sets RESULT to refused, intact or errors; fails on wrong data.
outcome() {
  local status=0 text
  rm -f "$(daemon_log_of small)"
  mount_volume small ro >"$WORK/mount.out" 2>&1 || status=$?
  if [ $status -ne 0 ]; then
    if mountpoint -q "$D"; then umount -l "$D"; fail "the mount reported failure but something is mounted"; fi
    [ -s "$(log_of small)" ] || fail "refused without a message"
    grep -q 'killed by signal\|Unhandled\|   at IntegrityFs' "$(log_of small)" && fail "the daemon crashed: $(tail -n 3 "$(log_of small)")"
    RESULT=refused; rm -f "$(log_of small)"; return 0
  fi
  text=$(timeout 60 python3 "$WORK/judge.py" "$D" "$WORK/good" "$HERE/manifest.py" 2>&1) || { umount_volume small; fail "$text"; }
  [ -n "$(daemon_of small)" ] || fail "the daemon died while everything was read"
  umount_volume small
  case $text in
    "unreadable 0 "*) RESULT=intact ;;
    *)
      RESULT=errors
      [ -s "$(daemon_log_of small)" ] || fail "a read failed but the log is empty"
      ;;
  esac
}

data_flip() {
  local at hits=0
  for at in $(python3 "$WORK/blocks.py" find "$WORK/pristine" b 1 7); do
    cp --sparse=always "$WORK/pristine" "$I"; flip "$I" $((at + 1234)); outcome
    [ $RESULT = errors ] || continue
    hits=$((hits + 1)); cat "$(daemon_log_of small)"
    mount_volume small
    refused cat "$D/tree/b"; cat "$D/tree/a" "$D/tree/c" >/dev/null
    cmp <(head -c 28672 "$D/tree/b") <(head -c 28672 "$D/tree/b"); same "bytes before the bad block" 28672 "$(head -c 28672 "$D/tree/b" | wc -c)"
    # A whole-block overwrite heals.
    python3 -c "import sys; sys.path.insert(0, '$WORK'); import blocks; f = open('$D/tree/b', 'r+b'); f.seek(7 * 4096); f.write(blocks.block('b', '1', 7))"
    cat "$D/tree/b" >/dev/null; umount_volume small; check_volume small
  done
  [ $hits -ge 1 ] || fail "no copy of the block is the one that is read"
}
it "A flipped bit in file data: EIO on that block, a log line, the rest readable, and an overwrite heals it" data_flip

named_in_log() {
  local at; for at in $(python3 "$WORK/blocks.py" find "$WORK/pristine" b 1 7); do
    cp --sparse=always "$WORK/pristine" "$I"; flip "$I" $((at + 99)); rm -f "$(daemon_log_of small)"; mount_volume small ro
    cat "$D/tree/b" >/dev/null 2>&1 && { umount_volume small; continue; }
    cat "$D/tree/b" >/dev/null 2>&1 || true; local inode; inode=$(stat -c %i "$D/tree/b")
    umount_volume small; cat "$(daemon_log_of small)"
    local line; line=$(grep 'not authentic' "$(daemon_log_of small)") || fail "the log does not tell"
    same "lines for one bad block" 1 "$(wc -l <<<"$line")"
    local part; for part in "inode $inode," 'path /tree/b,' "offset $((7 * 4096))"; do grep -qF "$part" <<<"$line" || fail "the line does not say '$part'"; done
    local block; block=$(sed -n 's/.*zone Data, block \([0-9]*\),.*/\1/p' <<<"$line"); [ -n "$block" ] || fail "the line does not say which block"
    same "place of that block" "$at" "$("$INTEGRITYFS" dump --json --key-file "$(key_of small)" path /tree/b "$I" | python3 -c "
import json, sys
print(*[e['deviceOffset'] + 4096 * ($block - e['block']) for e in json.load(sys.stdin)['extents'] if e['block'] <= $block < e['block'] + e['length'] // 4096])")"
    return 0
  done; fail "no flip was noticed"
}
it "One bad block is one log line, which names block, inode, path and offset" named_in_log

wrong_key() {
  local before; (umask 077; head -c 32 /dev/urandom >"$WORK/wrong"); cp --sparse=always "$WORK/pristine" "$I"; before=$(sha256sum <"$I")
  refused_with 11 "$INTEGRITYFS" mount "$I" "$D" -o "keyfile=$WORK/wrong"; refused mountpoint -q "$D"
  refused_with 11 "$INTEGRITYFS" dump --key-file "$WORK/wrong" superblock "$I"
  refused_with 11 "$INTEGRITYFS" key add --key-file "$WORK/wrong" --new-key-file "$WORK/wrong" "$I"
  refused "$INTEGRITYFS" fsck -y --key-file "$WORK/wrong" "$I"
  same "the image" "$before" "$(sha256sum <"$I")"
}
it "A wrong key is refused with a code of its own, and nothing is written" wrong_key

checker_sees() {
  local at status hits=0; for at in $(python3 "$WORK/blocks.py" find "$WORK/pristine" c 1 3); do
    cp --sparse=always "$WORK/pristine" "$I"; flip "$I" $((at + 5)); status=0
    "$INTEGRITYFS" fsck --key-file "$(key_of small)" -n "$I" || status=$?
    [ $((status & 4)) -eq 0 ] || hits=$((hits + 1))
  done; [ $hits -ge 1 ] || fail "fsck -n did not report damaged data"
}
it "fsck -n reports damaged file data" checker_sees

verify_full() {
  local at hits=0; for at in $(python3 "$WORK/blocks.py" find "$WORK/pristine" a 1 3); do
    cp --sparse=always "$WORK/pristine" "$I"; flip "$I" $((at + 5))
    if mount_volume small verify=full; then umount_volume small; else hits=$((hits + 1)); tail -n 2 "$(log_of small)"; fi
  done; [ $hits -ge 1 ] || fail "verify=full mounted a volume with a damaged block"
  cp --sparse=always "$WORK/pristine" "$I"; mount_volume small verify=full; umount_volume small
}
it "With verify=full a damaged block fails the mount, and an undamaged volume mounts" verify_full

swap_blocks() {
  local pair hits=0; cp --sparse=always "$WORK/pristine" "$I"
  python3 - "$I" "$WORK" <<'E'
import sys; sys.path.insert(0, sys.argv[2]); import blocks
data = bytearray(open(sys.argv[1], "rb").read()); a, b = blocks.block("a", "1", 5), blocks.block("b", "1", 5)
n = min(data.count(a), data.count(b)); assert n
data = data.replace(a, b"\1" * 4096).replace(b, a).replace(b"\1" * 4096, b)
open(sys.argv[1], "r+b").write(data)
E
  outcome; same outcome errors $RESULT
}
it "Swapped blocks of two files are detected" swap_blocks

sweep() { # sweep KIND STEP: one change in every STEP-th used piece of 4 KiB of the image
  local at n=0 refused=0 errors=0 intact=0
  for at in $(python3 "$WORK/blocks.py" used "$WORK/pristine" | awk -v s="$2" 'NR % s == 1 || s == 1'); do
    n=$((n + 1)); cp --sparse=always "$WORK/pristine" "$I"
    case $1 in
      flip) flip "$I" $((at + (at / 4096 * 613 + n * 97) % 4096)) ;;
      zero) dd if=/dev/zero of="$I" bs=4096 seek=$((at / 4096)) count=1 conv=notrunc status=none ;;
      noise) head -c 4096 /dev/urandom | dd of="$I" bs=4096 seek=$((at / 4096)) count=1 conv=notrunc status=none ;;
    esac
    echo "offset $at"; RESULT=; outcome
    eval "$RESULT=\$(($RESULT + 1))"
  done
  echo "$1: $n places: $refused refused, $errors with errors, $intact without effect" | tee "$WORK/sweep.note"
  [ $n -ge 5 ] && [ $((refused + errors)) -gt 0 ] || fail "$n places tried, nothing noticed"
}
STEP=${TAMPER_STEP:-$(full_or_fast 4 8)}
it "A flipped bit in each used block of the image, every zone: never a wrong byte, crash or hang" sweep flip "$STEP"
note "$(cat "$WORK/sweep.note" 2>/dev/null)"
it "Each used block zeroed: never a wrong byte, crash or hang" sweep zero "$((STEP * 2))"
note "$(cat "$WORK/sweep.note" 2>/dev/null)"
it "Each used block filled with noise: never a wrong byte, crash or hang" sweep noise "$((STEP * 3))"
note "$(cat "$WORK/sweep.note" 2>/dev/null)"

while_mounted() { # changed under a mounted volume: an error at the next read, SIGBUS through a mapping, a line and a count
  cp --sparse=always "$WORK/pristine" "$I"; mount_volume small cache=1M; rm -f "$WORK/at"; local at status=0
  umount_volume small; at=$("$INTEGRITYFS" dump --json --key-file "$(key_of small)" path /tree/b "$I" | python3 -c 'import json, sys; print(next(e["deviceOffset"] + 7 * 4096 - e["offset"] for e in json.load(sys.stdin)["extents"] if e["offset"] <= 7 * 4096 < e["offset"] + e["length"]))')
  rm -f "$(daemon_log_of small)"; mount_volume small cache=1M; head -c 100 "$D/tree/b" >/dev/null
  flip "$I" $((at + 100)); sync "$I"; echo 3 >/proc/sys/vm/drop_caches
  refused cat "$D/tree/b" >/dev/null; cat "$D/tree/a" "$D/tree/c" >/dev/null
  python3 -c "
import mmap
f = open('$D/tree/b', 'rb'); m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); print(m[0]); print(m[7 * 4096])" || status=$?
  same "status of a program that reads the block through a mapping (SIGBUS)" 135 $status
  "$INTEGRITYFS" status --json "$D" | python3 -c 'import json, sys; s = json.load(sys.stdin); assert s["sinceMount"]["badBlocks"] == 1 and s["mismatchCount"] >= 1 and len(s["lastErrors"]) == 1, s'
  same "log lines" 1 "$(grep -c 'not authentic' "$(daemon_log_of small)")"; umount_volume small
}
it "A block that is changed under a mounted volume: EIO, SIGBUS through a mapping, one line, counters" while_mounted

headers() { # one copy of the header may be lost, never both
  local at
  for at in 0 65536; do
    cp --sparse=always "$WORK/pristine" "$I"; dd if=/dev/zero of="$I" bs=4096 seek=$((at / 4096)) count=16 conv=notrunc status=none
    outcome; same "with the header copy at $at zeroed" intact $RESULT
  done
  cp --sparse=always "$WORK/pristine" "$I"; dd if=/dev/zero of="$I" bs=4096 count=32 conv=notrunc status=none
  outcome; same "without any header" refused $RESULT
}
it "One damaged header copy is survived, the loss of both is refused" headers

second_version() {
  cp --sparse=always "$WORK/pristine" "$I"; mount_volume small
  for n in a b c; do python3 "$WORK/blocks.py" write "$D/tree/$n" $n 2 24; done
  umount_volume small; mount_volume small; python3 "$HERE/manifest.py" "$D" >"$WORK/good"; umount_volume small
  cp --sparse=always "$I" "$WORK/pristine"
  python3 - "$WORK/version1" "$WORK/pristine" >"$WORK/differ" <<'E'
import sys
a, b = (open(p, "rb").read() for p in sys.argv[1:])
for at in range(0, len(a), 4096):
    if a[at:at + 4096] != b[at:at + 4096]: print(at)
E
  [ "$(wc -l <"$WORK/differ")" -ge 20 ]
}
it "A second version of the content is written" second_version

old() { # old OFFSET...: puts these blocks of version 1 back
  local at; for at; do dd if="$WORK/version1" of="$I" bs=4096 skip=$((at / 4096)) seek=$((at / 4096)) count=1 conv=notrunc status=none; done
}
roll_back_single() {
  local at refused=0 errors=0 intact=0
  for at in $(awk -v s="$STEP" 'NR % s == 1 || s == 1' "$WORK/differ"); do
    cp --sparse=always "$WORK/pristine" "$I"; old "$at"; echo "offset $at"; outcome; eval "$RESULT=\$(($RESULT + 1))"
  done
  echo "single old blocks: $refused refused, $errors with errors, $intact without effect"
  [ $errors -gt 0 ] || fail "no older block was noticed"
}
it "An older version of any single block, authentic once, is never read" roll_back_single

roll_back_pairs() { # an old block together with each block that may hold its old tag
  local data at refused=0 errors=0 intact=0 n=0
  data=$(python3 "$WORK/blocks.py" find "$WORK/pristine" b 2 7 | tail -n 1)
  for at in $(awk -v s="$STEP" 'NR % s == 1 || s == 1' "$WORK/differ"); do
    cp --sparse=always "$WORK/pristine" "$I"; old "$data" "$at"; echo "offsets $data $at"; outcome; eval "$RESULT=\$(($RESULT + 1))"; n=$((n + 1))
  done
  echo "$n pairs: $refused refused, $errors with errors, $intact without effect"
}
it "An older block together with any other older block, its tag among them, is never read" roll_back_pairs

roll_back_but_headers() {
  cp --sparse=always "$WORK/version1" "$I"; dd if="$WORK/pristine" of="$I" bs=4096 count=32 conv=notrunc status=none
  outcome; [ $RESULT != intact ] || fail "everything but the headers is old, and nothing was noticed"
}
it "Everything but the headers rolled back is detected" roll_back_but_headers
old_headers() {
  cp --sparse=always "$WORK/pristine" "$I"; dd if="$WORK/version1" of="$I" bs=4096 count=32 conv=notrunc status=none
  outcome; [ $RESULT != intact ] || fail "old headers over new content were accepted"
}
it "Old headers over new content are detected" old_headers
whole_roll_back() { # not detectable without an anchor: the volume says so
  cp --sparse=always "$WORK/pristine" "$I"; mount_volume small; "$INTEGRITYFS" status "$D" | grep -i 'not anchored'; umount_volume small
}
it "status says that freshness is not anchored, for a rolled-back whole image cannot be noticed" whole_roll_back

shortened() {
  local size; size=$(stat -c %s "$WORK/pristine")
  cp --sparse=always "$WORK/pristine" "$I"; truncate -s $((size / 2)) "$I"; outcome; same "cut in half" refused $RESULT
  cp --sparse=always "$WORK/pristine" "$I"; truncate -s 40000 "$I"; outcome; same "cut to 40 kB" refused $RESULT
  : >"$I"; outcome; same "empty" refused $RESULT
  cp --sparse=always "$WORK/pristine" "$I"; truncate -s $((size * 2)) "$I"; outcome; [ $RESULT != errors ]
}
it "A shortened image is refused; an extended one is refused or read as it was" shortened

other_volume() { # the same blocks of another volume, formatted with the same key file
  cp --sparse=always "$WORK/pristine" "$I"; cp "$(key_of small)" "$(key_of other)"
  make_volume other 8M --journal-size 1M; mount_volume other; mkdir "$(dir_of other)/tree"
  for n in a b c; do python3 "$WORK/blocks.py" write "$(dir_of other)/tree/$n" $n 9 24; done; umount_volume other
  dd if="$(image_of other)" of="$I" bs=4096 skip=$(( $(stat -c %s "$I") / 8192 )) seek=$(( $(stat -c %s "$I") / 8192 )) conv=notrunc status=none
  outcome
  cp --sparse=always "$WORK/pristine" "$I"; dd if="$(image_of other)" of="$I" bs=4096 skip=32 seek=32 conv=notrunc status=none
  outcome; [ $RESULT != intact ] || fail "the body of another volume was accepted"
}
it "Blocks of another volume are never accepted" other_volume

journal_tampering() { # a dirty journal: damage may cost refused or lost-by-error content, never wrong content
  cp --sparse=always "$WORK/pristine" "$I"; mount_volume small
  for n in a b; do python3 "$WORK/blocks.py" write "$D/tree/$n" $n 3 24; done; sync "$D/tree"; kill_volume small
  cp --sparse=always "$I" "$WORK/crashed"
  local at refused=0 errors=0 intact=0 other=0 status
  for at in $(cmp -l "$WORK/pristine" "$WORK/crashed" | awk '{ b = int(($1 - 1) / 4096); if (b != last) print b * 4096; last = b }' | awk -v s="$STEP" 'NR % s == 1 || s == 1'); do
    cp --sparse=always "$WORK/crashed" "$I"; flip "$I" $((at + 1111)); status=0; echo "offset $at"
    mount_volume small ro >"$WORK/mount.out" 2>&1 || status=$?
    if [ $status -ne 0 ]; then refused=$((refused + 1)); continue; fi
    python3 - "$D" "$WORK" <<'E' || { umount_volume small; fail "wrong content"; }
import sys; sys.path.insert(0, sys.argv[2]); import blocks
for name in "abc":
    f = open(f"{sys.argv[1]}/tree/{name}", "rb", buffering=0)
    for n in range(24):
        f.seek(n * 4096)
        try: got = f.read(4096)
        except OSError as e: assert e.errno == 5, e; continue
        assert got in [blocks.block(name, v, n) for v in ("2", "3")], f"{name} block {n}: {got[:40]}"
E
    umount_volume small; intact=$((intact + 1))
  done
  echo "$refused refused, $intact mounted"
  [ $((refused + intact)) -gt 3 ] || fail "the journal was not dirty"
}
it "A flipped bit anywhere in a dirty journal never becomes content" journal_tampering
cp --sparse=always "$WORK/pristine" "$I"
mount_volume small >/dev/null
finish small
