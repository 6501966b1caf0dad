#!/bin/bash
# A full volume: everything fails cleanly, nothing that was there is harmed, deletion always works.
. "$(dirname "$0")/lib.bash"
need python3 rsync
start full 96M
D=$(dir_of full)

prepare() { mkdir "$D/before"; cp -a /usr/include/asm-generic "$D/before/"; sync -f "$D"; sync -f "$D"; stat -f -c %f "$D" >"$WORK/free"; }
it "A tree is there before the volume fills" prepare

fill() {
  cd "$D"; mkdir fill; local n=0
  while head -c 1000000 /dev/urandom >fill/$n 2>/dev/null; do n=$((n + 1)); [ $n -lt 200 ] || fail "96 MiB took 200 MB"; done
  for size in 100000 10000 4096 1000 1; do
    n=0; while head -c $size /dev/urandom >fill/s$size-$n 2>/dev/null && [ $n -lt 3000 ]; do n=$((n + 1)); done
  done
  [ "$(du -sm fill | cut -f1)" -ge 20 ] || fail "full after only $(du -sm fill | cut -f1) MiB"
}
it "The volume takes data until it is full" fill

fails_cleanly() {
  cd "$D"; python3 - <<'E'
import os, errno
refused = 0
def may_fail(what, f):
    global refused
    try: f()
    except OSError as e:
        assert e.errno in (errno.ENOSPC, errno.EEXIST, errno.EDQUOT), f"{what}: {e}"
        refused += 1
def grow():
    f = os.open("fill/grow", os.O_RDWR | os.O_CREAT)
    try:
        for _ in range(64): os.write(f, os.urandom(1 << 20))
    finally: os.close(f)
may_fail("write", grow)
for n in range(300):
    may_fail("create", lambda: os.close(os.open(f"fill/c{n}", os.O_CREAT | os.O_EXCL)))
    may_fail("mkdir", lambda: os.mkdir(f"fill/d{n}"))
    may_fail("link", lambda: os.link("fill/0", f"fill/l{n}"))
    may_fail("symlink", lambda: os.symlink("x" * 3000, f"fill/y{n}"))
    may_fail("setxattr", lambda: os.setxattr("fill/0", f"user.a{n}", b"v" * 2000))
    may_fail("rename", lambda: os.rename("fill/1", "fill/r") or os.rename("fill/r", "fill/1"))
f = os.open("fill/0", os.O_RDWR)
may_fail("fallocate", lambda: os.posix_fallocate(f, 0, 200 << 20))
may_fail("overwrite", lambda: os.pwrite(f, b"overwritten", 5000))
os.fsync(f); os.close(f)
assert refused > 0, "nothing was refused on a full volume"
E
  [ "$(rsync -aHAXnci --delete /usr/include/asm-generic "$D/before/" | grep -v '/$' | wc -l)" = 0 ]
}
it "On a full volume every operation works or fails with ENOSPC, and what was there is intact" fails_cleanly
it "A full volume unmounts" umount_volume full
it "The checker finds nothing on a full volume" check_volume full
it "A full volume mounts" mount_volume full

delete() {
  cd "$D"; rm fill/0; rm -r fill; sync -f "$D"; sleep 1; sync -f "$D"
  local was now; was=$(cat "$WORK/free"); now=$(stat -f -c %f "$D")
  [ $now -ge $((was - was / 50)) ] || fail "free blocks: $was before, $now after everything was deleted"
  head -c 20000000 /dev/urandom >again; sync again; rm again
}
it "Deletion works on a full volume and gives all space back" delete

cycles() { # fill and empty again and again: no space leaks
  cd "$D"; local n used; for n in $(seq 1 "$(full_or_fast 8 3)"); do
    used=0; while head -c 3000000 /dev/urandom >c$used 2>/dev/null; do used=$((used + 1)); done
    echo "round $n: $used files"; [ $n -eq 1 ] && first=$used; [ $used -ge $((first - 1)) ] || fail "round $n: $used files, at first $first"
    rm -f c*; sync -f .
  done
}
it "The volume can be filled and emptied again and again" cycles
one_file() { cd "$D"; dd if=/dev/zero of=big bs=1M status=none || true; [ -s big ]; : >big; rm big; cp -a before after; rm -r after; }
it "One file may fill it, be truncated and go" one_file
finish full
