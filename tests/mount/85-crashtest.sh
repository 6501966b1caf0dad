#!/bin/bash
# The harness for authors of applications, as they use it: examples/crashtest recorded on real mounts, explored under our
# own order and under weaker ones; what is right must pass, what is wrong must be caught. And power that fails on command.
. "$(dirname "$0")/lib.bash"
only_integrityfs
need python3 sqlite3
EXAMPLES=$REPOSITORY/examples/crashtest
PATH=/usr/bin:/bin:/usr/sbin:/sbin:$PATH # Debian's python3: a checker starts hundreds of times
export PYTHONDONTWRITEBYTECODE=1
MOST=$(full_or_fast 60 16)
C() { "$INTEGRITYFS" crashtest "$@"; }

record() { # record NAME COMMAND...
  local name=$1; shift
  C record -q --fresh --size 16M -O "$WORK/$name.rec" "$WORK/record.img" -- "$@"
}
explore() { # explore NAME CHECKER PERSONALITIES [MORE]: exit code and output of the exploration
  local name=$1 check=$2 personalities=$3 status=0; shift 3
  C explore "$WORK/$name.rec" -q --check "$check" -p "$personalities" --max-states "$MOST" "$@" >"$WORK/out" 2>&1 || status=$?
  cat "$WORK/out"
  return $status
}
passes() { local status=0; explore "$@" || status=$?; same "exit code of an exploration where all is good" 0 $status; }
caught() { local status=0; explore "$@" || status=$?; same "exit code of an exploration that finds failures" 1 $status; }
shows() { grep -q -- "$1" "$WORK/out" || fail "the report does not say '$1'"; }

SQLITE="python3 $EXAMPLES/sqlite_check.py {}"
SAVE="python3 $EXAMPLES/save_check.py {}"

sqlite_rollback() {
  record rollback python3 "$EXAMPLES/sqlite_app.py" delete extra 4
  passes rollback "$SQLITE" integrityfs,ext4-ordered,posix-minimal,lose-dir-ops
}
sqlite_wal() {
  record wal python3 "$EXAMPLES/sqlite_app.py" wal full 4
  passes wal "$SQLITE" integrityfs,ext4-ordered,ext4-noauto-da-alloc,posix-minimal
}
sqlite_off() {
  record off python3 "$EXAMPLES/sqlite_app.py" delete off 4
  caught off "$SQLITE" integrityfs
  shows 'acknowledged commits are lost'
  if grep -qE 'damaged|half a transaction' "$WORK/out"; then fail "our own order lost more than the newest transactions"; fi
  MOST=150 caught off "$SQLITE" posix-minimal
  shows 'the database is damaged'
}
save_right() {
  record right python3 "$EXAMPLES/save_app.py" right
  passes right "$SAVE" integrityfs,ext4-ordered,ext4-noauto-da-alloc,posix-minimal,lose-dir-ops
}
save_careless() {
  # There is a file already: ext4 helps only where a rename replaces one.
  C record -q --fresh --size 16M -O "$WORK/careless.rec" --setup "python3 '$EXAMPLES/save_app.py' right" "$WORK/record.img" -- \
    python3 "$EXAMPLES/save_app.py" careless
  passes careless "$SAVE" integrityfs,ext4-ordered,lose-dir-ops
  caught careless "$SAVE" ext4-noauto-da-alloc
  shows 'config is empty'
  caught careless "$SAVE" posix-minimal --json "$WORK/r.json" --junit "$WORK/r.xml" --html "$WORK/r.html"
  shows 'lost: .*write /config.new'
}
reports() {
  python3 - "$WORK" <<'E'
import html.parser, json, sys, xml.etree.ElementTree as xml
work = sys.argv[1]
report = json.load(open(f"{work}/r.json"))
assert report["failed"] > 0 and report["results"][0]["personality"] == "posix-minimal", report
failure = report["results"][0]["failures"][0]
assert failure["lost"] and failure["reproduce"].startswith("integrityfs crashtest explore "), failure
suite = xml.parse(f"{work}/r.xml").getroot().find("testsuite")
assert int(suite.get("failures")) == len(suite.findall("testcase/failure")) == len(report["results"][0]["failures"])
text = open(f"{work}/r.html").read()
assert "<svg" in text and "class=\"crash\"" in text and failure["state"] in text
assert "http://" not in text and "https://" not in text and "<script src" not in text, "the page refers to others"
html.parser.HTMLParser().feed(text)
E
}
reproduces() { # the reproducer that a report prints leads to the same verdict, and leaves the state
  local line
  line=$(python3 -c "import json; print(json.load(open('$WORK/r.json'))['results'][0]['failures'][0]['reproduce'])")
  cd "$WORK"; refused_with 1 bash -c "PATH=$(dirname "$INTEGRITYFS"):\$PATH; $line"
  [ -d state/tree ] || fail "the state was not kept"
}
marks() {
  INTEGRITYFS=$INTEGRITYFS record queue "$EXAMPLES/queue.sh"
  C show "$WORK/queue.rec" >"$WORK/show"
  same marks 3 "$(grep -c 'mark job' "$WORK/show")"
  # Each line is printed after the fsync that it acknowledges, and before the next mark.
  same order "mark sync output mark sync output mark sync output " \
    "$(sed -n 's/.*mark job.*/mark/p; s/.*fsync \/jobs (directory).*/sync/p; s/.*output queued.*/output/p' "$WORK/show" | tr '\n' ' ')"
  passes queue "sh $EXAMPLES/queue_check.sh {}" integrityfs,posix-minimal,lose-dir-ops
}
failed_fsync() {
  local system
  for system in ext4 xfs btrfs; do
    C record -q --fresh --size 16M -p fsync-eio-$system --fail-fsync 3 -O "$WORK/eio.rec" "$WORK/record.img" -- \
      python3 "$EXAMPLES/save_app.py" retry
    caught eio "$SAVE" fsync-eio-$system
    shows "config is"
  done
  # Who gives up after a failed fsync loses nothing that was acknowledged.
  refused_with 1 "$INTEGRITYFS" crashtest record -q --fresh --size 16M -p fsync-eio-ext4 --fail-fsync 3 -O "$WORK/eio.rec" "$WORK/record.img" -- \
    python3 "$EXAMPLES/save_app.py" right
  passes eio "$SAVE" fsync-eio-ext4
}
mounted_states() {
  C record -q --fresh --size 16M -O "$WORK/small.rec" "$WORK/record.img" -- python3 "$EXAMPLES/save_app.py" right
  C explore "$WORK/small.rec" -q --mount --max-states 6 --check "$SAVE"
  C explore "$WORK/small.rec" -q --mount --max-states 6 -p posix-minimal --check "$SAVE"
}
logs() { # the device part leaves and enters as a log of dm-log-writes
  C export-log "$WORK/right.rec" "$WORK/right.log" --base "$WORK/right.base"
  same magic "72 68 73 77 66 73 6a 00 01 00 00 00 00 00 00 00" "$(od -An -tx1 -N16 "$WORK/right.log" | sed 's/^ //')"
  C import-log "$WORK/right.log" "$WORK/right.base" "$WORK/right.again"
  same "device events" "$(C show "$WORK/right.rec" | grep -cE '^ *[0-9]+  (write of|flush)')" "$(C show "$WORK/right.again" | grep -cE '^ *[0-9]+  (write of|flush)')"
}
foreign() { # a log of another file system: states are images, judged by its own checker
  python3 - "$WORK" <<'E'
import struct, sys
work = sys.argv[1]
open(f"{work}/f.base", "wb").write(bytes(65536))
def entry(sector, data, flags): return struct.pack("<4Q", sector, len(data) // 512, flags, 0).ljust(512, b"\0") + data
def block(c): return c * 4096
# A journal block, a flush, then a commit block and data without a flush between: the data may come without the commit.
entries = [entry(8, block(b"J"), 0), entry(0, b"", 1), entry(16, block(b"C"), 0), entry(24, block(b"D"), 0), entry(0, b"", 1)]
open(f"{work}/f.log", "wb").write(struct.pack("<3QI", 0x6a736677736872, 1, len(entries), 512).ljust(512, b"\0") + b"".join(entries))
open(f"{work}/f.py", "w").write("""
import sys
image = open(sys.argv[1], "rb").read()
if b"C" in image and b"J" * 4096 not in image: sys.exit("commit without a journal")
if b"D" in image and b"C" not in image: sys.exit("data without a commit")
""")
E
  local status=0
  C explore "$WORK/f.log" --base "$WORK/f.base" -q --check "python3 $WORK/f.py {}" >"$WORK/out" || status=$?
  cat "$WORK/out"; same "exit code" 1 $status
  shows 'data without a commit'
  if grep -q 'commit without a journal' "$WORK/out"; then fail "the flush between journal and commit was not respected"; fi
  shows 'lost: .*write of 4096 bytes at 8192'
}

live() { # live PERSONALITY: mounts
  VOLUMES+=(live); mkdir -p "$(dir_of live)"
  C live --fresh "$(image_of live)" "$(dir_of live)" -p "$1" -o log="$(daemon_log_of live)"
}
live_names() {
  local d; d=$(dir_of live); live lose-dir-ops
  mkdir "$d/tree"; ln -s ../kept "$d/tree/link"; mkfifo "$d/tree/pipe"; echo hard >"$d/tree/one"; ln "$d/tree/one" "$d/tree/two"; chmod 1750 "$d/tree"
  echo kept >"$d/kept"; sync "$d/kept" "$d/tree" "$d"
  echo lost >"$d/lost"; sync "$d/lost" # its bytes are synchronised, its name is not
  mv "$d/kept" "$d/moved"
  exec 9<"$d/lost"
  C crash "$d" --lose dir-ops >"$WORK/crash"
  cat "$WORK/crash"
  refused cat <&9; exec 9<&-
  same names "kept tree " "$(ls "$d" | tr '\n' ' ')"
  same "the tree that is rebuilt" "1750 ../kept pipe 2" \
    "$(stat -c %a "$d/tree") $(readlink "$d/tree/link") $([ -p "$d/tree/pipe" ] && echo pipe) $(stat -c %h "$d/tree/two")"
  same content kept "$(cat "$d/kept")"
  grep -q 'lost: .*rename /kept /moved' "$WORK/crash" || fail "the lost rename is not reported"
  echo again >"$d/again"; sync "$d/again" "$d"
  C crash "$d" --seed 7; same "after a second crash" "again kept tree " "$(ls "$d" | tr '\n' ' ')"
  echo unsynced >"$d/unsynced"
  "$INTEGRITYFS" umount "$d"
  C live "$(image_of live)" "$d" -p lose-dir-ops
  same "a clean unmount loses nothing" unsynced "$(cat "$d/unsynced")"
  "$INTEGRITYFS" umount "$d"
}
live_data() {
  local d; d=$(dir_of live); live posix-minimal
  head -c 8192 /dev/zero | tr '\0' a >"$d/file"; sync "$d/file" "$d"
  printf 'b%.0s' $(seq 4096) | dd of="$d/file" bs=4096 iflag=fullblock conv=notrunc status=none
  C crash "$d" --lose none --torn # the overwrite comes half
  same "size" 8192 "$(stat -c %s "$d/file")"
  same "bytes of the torn write" 2048 "$(tr -dc b <"$d/file" | wc -c)"
  echo new >"$d/new"
  C crash "$d" --lose data; same "the name without its bytes" 0 "$(stat -c %s "$d/new")"
  "$INTEGRITYFS" umount "$d"
}
live_own() { # our own volume, crashed at its device under a load, with torn writes: every acknowledged sync holds
  local d n w f a b x y; d=$(dir_of live); live integrityfs
  for n in $(seq 1 "$(full_or_fast 12 4)"); do
    # In the mount, not at its path: there the directory below shows for a moment, and would acknowledge, too.
    ( cd "$d"; i=0; while echo "$n $i" >"f$((i % 20)).$n" 2>/dev/null && sync "f$((i % 20)).$n" 2>/dev/null; do
        echo "f$((i % 20)).$n $n $i" >>"$WORK/acked"; i=$((i + 1)); done ) & w=$!
    sleep 0.3; C crash "$d" --seed "$n" --torn >/dev/null; kill $w 2>/dev/null || true; wait "$w" 2>/dev/null || true
    awk '{last[$1] = $2 " " $3} END {for (f in last) print f, last[f]}' "$WORK/acked" >"$WORK/last"
    while read -r f a b; do
      [ -f "$d/$f" ] || fail "acknowledged $f is lost"
      # A later, unacknowledged rewrite may have been under way: then the file is cut short, or newer.
      read -r x y <"$d/$f" || continue
      [ "$x" = "$a" ] && [ "$y" -ge "$b" ] || fail "$f: acknowledged $a $b, found $x $y"
    done <"$WORK/last"
  done
  same "enough syncs to prove something" 1 $(($(wc -l <"$WORK/acked") > 40))
  refused "$INTEGRITYFS" crashtest crash "$d" --lose data
  "$INTEGRITYFS" umount "$d"
  "$INTEGRITYFS" fsck -n --key-file "$(image_of live).key" "$(image_of live)"
}
codes() {
  refused_with 2 "$INTEGRITYFS" crashtest explore "$WORK/right.rec" --check true -p nonsense
  refused_with 3 "$INTEGRITYFS" crashtest explore "$WORK/nowhere" --check true
  refused_with 125 "$INTEGRITYFS" crashtest record -q "$WORK" -- true
  refused_with 7 "$INTEGRITYFS" crashtest record -q --fresh --size 16M -O "$WORK/x.rec" "$WORK/record.img" -- sh -c 'exit 7'
  refused_with 1 "$INTEGRITYFS" crashtest explore "$WORK/x.rec" -q --max-states 1 --timeout 0.2 --check 'sleep 5'
  same "left mounts" "" "$(awk '/integrityfs-crashtest-/' /proc/self/mountinfo)"
}

it "SQLite with a rollback journal and synchronous=EXTRA holds everywhere" sqlite_rollback
it "SQLite with a write-ahead log and synchronous=FULL holds everywhere" sqlite_wal
it "SQLite with synchronous=OFF is caught: it loses acknowledged commits here, and its database elsewhere" sqlite_off
it "A program that saves in the right way passes everywhere" save_right
it "A program that forgets fsync before rename passes where order saves it, and is caught where not" save_careless
it "The reports for people and programs hold what was found" reports
it "The reproducer of a report leads back to the failing state" reproduces
it "Marks and output stand in the history where the program set them" marks
it "A program that tries a failed fsync again is caught under ext4, XFS and Btrfs; one that gives up is not" failed_fsync
it "States can be shown as real mounts" mounted_states
it "Device writes leave and enter as logs of dm-log-writes" logs
it "A foreign log is explored with a checker for its images" foreign
it "Un-synchronised names are lost under a live program on command, and never come back" live_names
it "Un-synchronised bytes are lost or torn on command" live_data
it "Power fails on command under load, writes torn, and every acknowledged sync holds" live_own
it "Exit codes are as documented, and nothing is left mounted" codes
