#!/bin/bash
# Programs that are hard on a filesystem: a database with concurrent writers, a compiler and make, a filesystem inside.
. "$(dirname "$0")/lib.bash"
need sqlite3 make cc mkfs.ext4 e2fsck python3 tar

start programs 2G
D=$(dir_of programs)

sqlite_mode() { # sqlite_mode wal|delete
  local base="$D/$1.db" writers=4 each=$(full_or_fast 300 60) w
  sqlite3 "$base" "pragma journal_mode=$1; create table t(writer int, n int, body text, primary key(writer, n));" >/dev/null
  for w in $(seq 1 $writers); do
    python3 - "$base" "$w" "$each" <<'E' &
import sqlite3, sys
base, writer, each = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
c = sqlite3.connect(base, timeout=120, isolation_level=None)
c.execute("pragma synchronous=full")
for n in range(each):
    c.execute("begin immediate")
    c.execute("insert into t values(?,?,?)", (writer, n, "x" * (n * 37 % 3000)))
    if n % 7 == 0: c.execute("update t set body=body||'y' where writer=? and n<=?", (writer, n // 2))
    c.execute("commit")
E
  done
  wait_all
  same integrity ok "$(sqlite3 "$base" 'pragma integrity_check')"
  same rows $((writers * each)) "$(sqlite3 "$base" 'select count(*) from t')"
  sqlite3 "$base" .dump | sha256sum >"$WORK/$1.sum"
  remount_volume programs
  same "integrity after a remount" ok "$(sqlite3 "$base" 'pragma integrity_check')"
  same "content after a remount" "$(cat "$WORK/$1.sum")" "$(sqlite3 "$base" .dump | sha256sum)"
}
wait_all() { local pid; for pid in $(jobs -p); do wait "$pid"; done; }
it "SQLite with a write-ahead log keeps its database sound under four writers" sqlite_mode wal
it "SQLite with a rollback journal keeps its database sound under four writers" sqlite_mode delete

make_tarball() { # a C project of some hundred files with a makefile that needs times to be right
  mkdir -p "$WORK/project/src" "$WORK/project/include"; cd "$WORK/project"
  local n; for n in $(seq 1 "$1"); do
    printf '#pragma once\nint part%d(int);\n' "$n" >"include/part$n.h"
    printf '#include "part%d.h"\nint part%d(int x) { return x + %d; }\n' "$n" "$n" "$n" >"src/part$n.c"
  done
  { for n in $(seq 1 "$1"); do echo "#include \"part$n.h\""; done
    echo '#include <stdio.h>'; echo 'int main(void) { long s = 0;'
    for n in $(seq 1 "$1"); do echo "s += part$n(0);"; done; echo 'printf("%ld\n", s); return 0; }'; } >src/main.c
  cat >Makefile <<'M'
objects := $(patsubst src/%.c,build/%.o,$(wildcard src/*.c))
program: libparts.a build/main.o ; cc -o $@ build/main.o libparts.a
libparts.a: $(filter-out build/main.o,$(objects)) ; ar rcs $@ $^
build/%.o: src/%.c | build ; cc -Iinclude -MMD -c -o $@ $<
build: ; mkdir -p build
-include $(objects:.o=.d)
M
  tar -C "$WORK" -czf "$WORK/project.tar.gz" project
}
compile() {
  local parts; parts=$(full_or_fast 150 40)
  make_tarball "$parts"
  cd "$D"; tar -xzf "$WORK/project.tar.gz"; cd project; make -s -j2
  same result $((parts * (parts + 1) / 2)) "$(./program)"
  same "nothing to do" 0 "$(make -q; echo $?)"
  sleep 0.05; touch include/part3.h
  same "what depends on a changed header" 2 "$(make -n | grep -c ' -c ')"
  make -s; remount_volume programs; cd "$D/project"; same "after a remount" 0 "$(make -q; echo $?)"; ./program >/dev/null
}
it "A C project is extracted, built, rebuilt exactly where a header changed, and up to date after a remount" compile

inner_filesystem() {
  cd "$D"; truncate -s 300M inner; mkfs.ext4 -q -F inner; mkdir -p "$WORK/inner.mnt"
  mount -o loop inner "$WORK/inner.mnt"
  cp -a /usr/include/. "$WORK/inner.mnt/"; rm -rf "$WORK/inner.mnt/linux"; cp -a /usr/include/linux "$WORK/inner.mnt/again"
  umount "$WORK/inner.mnt"; detach_loops "$D/inner"
  e2fsck -fn inner; cd /; remount_volume programs
  e2fsck -fn "$D/inner"; mount -o loop,ro "$D/inner" "$WORK/inner.mnt"
  diff -r /usr/include/linux "$WORK/inner.mnt/again"
  umount "$WORK/inner.mnt"; detach_loops "$D/inner"; rm "$D/inner"
}
it "ext4 in a loop device over a file of the volume works and is clean for e2fsck" inner_filesystem
finish programs
