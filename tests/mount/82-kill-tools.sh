#!/bin/bash
# kill -9 of the tools that write, at random moments: fsck, mkfs and the key commands. The next run is fine.
#
# TOOL_ROUNDS: kills of each tool; default 120, 30 with FAST=1.
. "$(dirname "$0")/lib.bash"
only_integrityfs
need python3
ROUNDS=${TOOL_ROUNDS:-$(full_or_fast 200 30)}
SEED=${KILL_SEED:-$(( $(date +%s) % 100000 ))}
make_volume tool 48M --journal-size 4M >/dev/null || bail "topic $TOPIC could not format a volume"
I=$(image_of tool) K=$(key_of tool) D=$(dir_of tool)

cat >"$WORK/kill.py" <<'P'
"""kill.py SEED NUMBER LONGEST COMMAND...: starts the command and kills it after a random time up to LONGEST seconds.
Exit code: 0 killed, 1 it had ended before."""
import random, subprocess, sys, time
r = random.Random(int(sys.argv[1]) * 10007 + int(sys.argv[2]))
p = subprocess.Popen(sys.argv[4:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
time.sleep(r.uniform(0, float(sys.argv[3])))
p.kill()
sys.exit(0 if p.wait() < 0 else 1)
P
longest() { # longest COMMAND...: a little more than the seconds it takes
  local started; started=$(date +%s%N); "$@" >/dev/null 2>&1 || true
  python3 -c "print(($(date +%s%N) - $started) / 1e9 * 1.1)"
}
killed() { # killed NUMBER LONGEST COMMAND...: counts in KILLS
  if python3 "$WORK/kill.py" "$SEED" "$@"; then KILLS=$((KILLS + 1)); fi
}
enough() { echo "$KILLS of $ROUNDS runs were killed" | tee "$WORK/note"; [ "$KILLS" -ge $((ROUNDS / 4)) ] || fail "too few kills hit"; }

dirty() {
  mount_volume tool
  cp -a /usr/include/asm-generic "$D/"; mkdir "$D/d"; seq 1 300 | sed "s|^|$D/d/|" | xargs touch
  dd if=/dev/urandom of="$WORK/data" bs=1000 count=2000 status=none; cp "$WORK/data" "$D/data"; sync -f "$D"
  exec 9<>"$D/open"; echo orphan >&9; rm "$D/open"; sync -f "$D"; exec 9>&-
  python3 - "$D/data" "$WORK/data" <<'P'
import os, sys
for path in sys.argv[1:]:
    f = os.open(path, os.O_WRONLY)
    for n in range(200): os.pwrite(f, b"%d" % n * 100, n * 7919)
    os.fsync(f); os.close(f)
P
  kill_volume tool; cp --sparse=always "$I" "$WORK/dirty"
}
it "A volume is left with a dirty journal" dirty
intact() { cmp "$WORK/data" "$D/data"; diff -r /usr/include/asm-generic "$D/asm-generic"; same entries 300 "$(ls "$D/d" | wc -l)"; }

fsck_killed() {
  local n status most KILLS=0; most=$(longest "$INTEGRITYFS" fsck -y -f --key-file "$K" "$I"); echo "fsck takes $most s"
  for n in $(seq 1 "$ROUNDS"); do
    [ $((n % 4)) -ne 1 ] || cp --sparse=always "$WORK/dirty" "$I"
    killed "$n" "$most" "$INTEGRITYFS" fsck "$([ $((n % 2)) = 0 ] && echo -y || echo -p)" -f --key-file "$K" "$I"
    if [ $((n % 4)) = 0 ]; then
      status=0; "$INTEGRITYFS" fsck -y -f --key-file "$K" "$I" || status=$?; [ $status -le 1 ] || fail "round $n (seed $SEED): fsck ends with $status"
      "$INTEGRITYFS" fsck -n -f --key-file "$K" "$I"; mount_volume tool; intact; umount_volume tool
    fi
  done; enough
}
it "$ROUNDS kills of fsck, seed $SEED: the next fsck is clean and nothing is lost" fsck_killed
note "$(cat "$WORK/note" 2>/dev/null)"

mkfs_killed() { # over a volume, over nothing, and over ext4
  local n status most KILLS=0; most=$(longest "$INTEGRITYFS" mkfs -f --key-file "$K" "$I"); echo "mkfs takes $most s"
  truncate -s 48M "$WORK/ext4"; mkfs.ext4 -q -F "$WORK/ext4"
  for n in $(seq 1 "$ROUNDS"); do
    case $((n % 3)) in
      0) rm -f "$I"; killed "$n" "$most" "$INTEGRITYFS" mkfs --size 48M --key-file "$K" "$I" ;;
      1) cp --sparse=always "$WORK/ext4" "$I"; killed "$n" "$most" "$INTEGRITYFS" mkfs -f --key-file "$K" "$I" ;;
      2) cp --sparse=always "$WORK/dirty" "$I"; killed "$n" "$most" "$INTEGRITYFS" mkfs -f --key-file "$K" "$I" ;;
    esac
    # What a killed mkfs leaves is no volume, a damaged one, the old or the new one: said in one line, never a crash.
    status=0; "$INTEGRITYFS" fsck -n --key-file "$K" "$I" >"$WORK/out" 2>&1 || status=$?
    case $status in 0 | 4 | 8 | 12) ;; *) cat "$WORK/out"; fail "round $n (seed $SEED): fsck ends with $status" ;; esac
    if grep -E 'internal error|   at ' "$WORK/out"; then fail "round $n (seed $SEED): fsck crashed"; fi
    if [ $((n % 8)) = 0 ]; then
      "$INTEGRITYFS" mkfs -q -f --size 48M --key-file "$K" "$I"; "$INTEGRITYFS" fsck -n -f --key-file "$K" "$I"
      mount_volume tool; [ -z "$(ls "$D")" ]; echo x >"$D/x"; umount_volume tool
    fi
  done; enough
}
it "$ROUNDS kills of mkfs, seed $SEED: what is left is told in one line, and the next mkfs is fine" mkfs_killed
note "$(cat "$WORK/note" 2>/dev/null)"

keys_killed() {
  local n most KILLS=0 other="$WORK/other.key"; (umask 077; head -c 32 /dev/urandom >"$other")
  rm -f "$I"; "$INTEGRITYFS" mkfs -q --size 48M --key-file "$K" "$I"
  most=$(longest "$INTEGRITYFS" key add --key-file "$K" --new-key-file "$other" "$I")
  for n in $(seq 1 "$ROUNDS"); do
    case $((n % 3)) in
      0) killed "$n" "$most" "$INTEGRITYFS" key add --key-file "$K" --new-key-file "$other" "$I" ;;
      1) killed "$n" "$most" "$INTEGRITYFS" key change 1 --key-file "$K" --new-key-file "$other" "$I" ;;
      2) killed "$n" "$most" "$INTEGRITYFS" key remove 1 --key-file "$K" "$I" ;;
    esac
    "$INTEGRITYFS" key list --key-file "$K" "$I" >"$WORK/out" || fail "round $n (seed $SEED): the key does not open the volume any more"
    grep -q '^authenticated: *yes' "$WORK/out"
  done
  "$INTEGRITYFS" fsck -n -f --key-file "$K" "$I"; enough
}
it "$ROUNDS kills of the key commands, seed $SEED: the key that was not touched opens the volume every time" keys_killed
note "$(cat "$WORK/note" 2>/dev/null)"

torn() { # the last transaction of a dirty journal torn in each of its sectors: dropped, told, and all before it there
  local at done=0 note
  mkdir -p "$WORK/torn"; rm -f "$I"; "$INTEGRITYFS" mkfs -q --size 16M --journal-size 1M --key-file "$K" "$I"
  mount_volume tool; echo first >"$D/first"; sync "$D/first" "$D"; cp --sparse=always "$I" "$WORK/torn/before"
  echo last >"$D/last"; sync "$D/last"; kill_volume tool; cp --sparse=always "$I" "$WORK/torn/after"
  for at in $(python3 - "$WORK/torn/before" "$WORK/torn/after" <<'P'
import sys
a, b = (open(p, "rb").read() for p in sys.argv[1:])
print(*[at for at in range(0, len(a), 512) if a[at:at + 512] != b[at:at + 512]])
P
  ); do
    cp --sparse=always "$WORK/torn/after" "$I"
    dd if="$WORK/torn/before" of="$I" bs=512 skip=$((at / 512)) seek=$((at / 512)) count=1 conv=notrunc status=none
    rm -f "$(log_of tool)"; mount_volume tool; grep -q 'was not closed in order: replayed' "$(log_of tool)" || fail "the mount does not say what it replayed"
    same content first "$(cat "$D/first")"; [ ! -s "$D/last" ] || same content last "$(cat "$D/last")"
    umount_volume tool; check_volume tool; done=$((done + 1))
  done
  echo "$done sectors"; [ $done -ge 4 ]
}
it "An image whose last commit is torn in any one sector mounts by itself, says what it replayed, and is clean" torn
it "The volume mounts after the tests of this topic" mount_volume tool
finish tool
