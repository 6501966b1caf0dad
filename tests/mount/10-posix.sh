#!/bin/bash
# Every operation of the POSIX interface once, with real tools.
. "$(dirname "$0")/lib.bash"
need setfattr getfattr setfacl getfacl python3 setpriv flock

start posix 512M
D=$(dir_of posix)

files() {
  cd "$D"
  printf 'first\n' >f; printf 'second\n' >>f
  same appended "$(printf 'first\nsecond')" "$(cat f)"
  printf 'XX' | dd of=f bs=1 seek=2 conv=notrunc status=none
  same "overwritten in the middle" "$(printf 'fiXXt\nsecond')" "$(cat f)"
  truncate -s 3 f; same shrunk fiX "$(cat f)"
  truncate -s 10000 f; same extended 10000 "$(stat -c %s f)"
  same "extension reads as zeros" 9997 "$(tail -c +4 f | tr -dc '\0' | wc -c)"
  : >f; same emptied 0 "$(stat -c %s f)"
  rm f; [ ! -e f ]
}
it "Files are written, appended, overwritten, truncated, extended with zeros and removed" files

sizes() {
  cd "$D"; mkdir sizes
  local n
  for n in 0 1 63 64 65 511 512 513 1000 3104 4095 4096 4097 8191 8192 8193 65535 65536 131072 131073 1048575 1048577; do
    head -c $n /dev/urandom >"sizes/$n"; cp "sizes/$n" "$WORK/size.$n"
  done
  remount_volume posix; cd "$D"
  for n in sizes/*; do cmp "$n" "$WORK/size.$(basename "$n")"; done
}
it "Files of every size around a block boundary come back after a remount" sizes

hard_links() {
  cd "$D"; echo data >a; ln a b; ln b c
  same count 3 "$(stat -c %h a)"
  same inode "$(stat -c %i a)" "$(stat -c %i c)"
  rm a; same content data "$(cat c)"; same count 2 "$(stat -c %h b)"
  mkdir dir; refused ln dir dirlink
  refused ln c b
  rm b c; rmdir dir
}
it "Hard links share one inode and its link count" hard_links

symlinks() {
  cd "$D"; echo x >target; ln -s target link; same read x "$(cat link)"
  ln -s missing dangling; [ -L dangling ]; refused cat dangling
  local long; long=$(printf 'd/%.0s' $(seq 1 2000))x
  ln -s "$long" long; same "long target" "$long" "$(readlink long)"
  same size 4001 "$(stat -c %s long)"
  ln -s loop2 loop1; ln -s loop1 loop2; refused cat loop1
  mkdir real; ln -s real dirlink; echo y >dirlink/f; same through y "$(cat real/f)"
  rm -r target link dangling long loop1 loop2 dirlink real
}
it "Symbolic links keep their targets, also long ones" symlinks

renames() {
  cd "$D"; mkdir r; cd r
  echo 1 >a; echo 2 >b; mv a b; same replaced 1 "$(cat b)"; [ ! -e a ]
  mkdir d1 d2 d3; touch d3/x; mv -T d1 d2; [ ! -e d1 ]
  refused mv -T d2 d3
  refused python3 -c 'import os; os.rename("d3", "d3/inside")'
  mkdir d4; mv d3 d4/; [ -e d4/d3/x ]; same "link count of a parent" 3 "$(stat -c %h d4)"
  same "dot dot" "$(stat -c %i d4)" "$(stat -c %i d4/d3/..)"
  ln b b2; python3 -c 'import os; os.rename("b", "b2")'; [ -e b ] && [ -e b2 ]
  cd ..; rm -r r
}
it "Rename replaces, moves directories and refuses what POSIX refuses" renames

rename_flags() {
  cd "$D"; mkdir rf; cd rf
  python3 - <<'E'
import ctypes, os, errno
libc = ctypes.CDLL(None, use_errno=True)
def renameat2(a, b, flags):
    r = libc.syscall(316, -100, a.encode(), -100, b.encode(), flags)
    return 0 if r == 0 else ctypes.get_errno()
open("a", "w").write("A"); open("b", "w").write("B")
assert renameat2("a", "b", 1) == errno.EEXIST, "NOREPLACE must not replace"
assert renameat2("a", "c", 1) == 0
assert renameat2("c", "b", 2) == 0, "EXCHANGE"
assert open("c").read() == "B" and open("b").read() == "A"
os.mkdir("d"); open("d/in", "w").close()
assert renameat2("d", "b", 2) == 0, "EXCHANGE of a directory and a file"
assert os.path.isdir("b") and os.path.exists("b/in") and open("d").read() == "A"
assert renameat2("c", "none", 2) == errno.ENOENT
E
  cd ..; rm -r rf
}
it "Rename with EXCHANGE and NOREPLACE does what renameat2(2) says" rename_flags

special_files() {
  cd "$D"; mkdir sp; cd sp
  mkfifo fifo; ( echo through >fifo ) & same fifo through "$(cat fifo)"; wait
  mknod null c 1 3; same "character device" "1:3" "$(stat -c %t:%T null)"
  mknod blk b 7 1234; same "block device" "7:4d2" "$(stat -c %t:%T blk)"
  python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")'; [ -S sock ]
  cd ..; rm -r sp
}
it "Pipes, device nodes and sockets are made and keep their numbers" special_files

xattrs() {
  cd "$D"; touch x; mkdir xd
  setfattr -n user.one -v 1 x; setfattr -n trusted.two -v 22 x; setfattr -n security.three -v 333 x
  setfattr -n user.dir -v d xd
  same user 1 "$(getfattr --only-values -n user.one x)"
  same list 'security.three trusted.two user.one' "$(getfattr -d -m - x | sed -n 's/=.*//p' | sort | tr '\n' ' ' | sed 's/ $//')"
  setfattr -n user.one -v changed x; same changed changed "$(getfattr --only-values -n user.one x)"
  python3 - <<'E'
import os, errno
def fails(code, f, *a):
    try: f(*a)
    except OSError as e: assert e.errno == code, e
    else: raise AssertionError("must fail")
os.setxattr("x", "user.empty", b""); assert os.getxattr("x", "user.empty") == b""
os.setxattr("x", "user.binary", bytes(range(256))); assert os.getxattr("x", "user.binary") == bytes(range(256))
os.setxattr("x", "user.big", b"v" * 3000); assert os.getxattr("x", "user.big") == b"v" * 3000
fails(errno.EEXIST, os.setxattr, "x", "user.one", b"", os.XATTR_CREATE)
fails(errno.ENODATA, os.setxattr, "x", "user.none", b"", os.XATTR_REPLACE)
fails(errno.ENODATA, os.getxattr, "x", "user.none")
fails(errno.ENODATA, os.removexattr, "x", "user.none")
E
  setfattr -x user.one x; refused getfattr -n user.one x
  remount_volume posix; cd "$D"
  same "after remount" 333 "$(getfattr --only-values -n security.three x)"
  same "after remount" d "$(getfattr --only-values -n user.dir xd)"
  rm -r x xd
}
it "Extended attributes of the user, trusted and security namespaces are set, listed, replaced, removed and kept" xattrs

acls() {
  cd "$D"; chmod 755 .; mkdir acl; chmod 755 acl; cd acl
  echo secret >f; chmod 600 f
  setfacl -m u:61000:r f
  same read secret "$(setpriv --reuid=61000 --regid=61000 --clear-groups cat f)"
  refused setpriv --reuid=1001 --regid=1001 --clear-groups cat f
  same "group bits are the mask" 640 "$(stat -c %a f)"
  chmod g-r f; refused setpriv --reuid=61000 --regid=61000 --clear-groups cat f
  chmod g+r f
  mkdir d; setfacl -d -m u:61000:rwx d; touch d/new; mkdir d/sub
  getfacl -ncp d/new | grep -q '^user:61000:rwx'
  getfacl -ncp d/sub | grep -q '^default:user:61000:rwx'
  remount_volume posix; cd "$D/acl"
  getfacl -ncp d/new | grep -q '^user:61000:rwx'
  same "after remount" secret "$(setpriv --reuid=61000 --regid=61000 --clear-groups cat f)"
  setfacl -b f; refused setpriv --reuid=61000 --regid=61000 --clear-groups cat f
  cd ..; rm -r acl
}
it "ACLs give access, follow chmod, are inherited from a directory and kept" acls

fallocate_modes() {
  cd "$D"; head -c 1000000 /dev/urandom >f; cp f "$WORK/before"
  fallocate -n -o 1000000 -l 500000 f; same "keep size" 1000000 "$(stat -c %s f)"
  fallocate -o 1000000 -l 100000 f; same extended 1100000 "$(stat -c %s f)"
  cmp -n 1000000 f "$WORK/before"
  same zeros 100000 "$(tail -c 100000 f | tr -dc '\0' | wc -c)"
  local before; sync f; before=$(stat -c %b f)
  fallocate -p -o 5000 -l 300000 f; same "punch keeps the size" 1100000 "$(stat -c %s f)"
  cmp -n 5000 f "$WORK/before"; cmp -i 305000 -n 600000 f "$WORK/before"
  same hole 300000 "$(tail -c +5001 f | head -c 300000 | tr -dc '\0' | wc -c)"
  fallocate -z -o 400001 -l 99999 f
  same zeroed 99999 "$(tail -c +400002 f | head -c 99999 | tr -dc '\0' | wc -c)"
  cmp -i 500000 -n 500000 f "$WORK/before"
  [ "$(stat -c %b f)" -le $((before - 280000 / 512)) ] || fail "the hole still takes space: $(stat -c %b f) of $before"
  rm f
}
it "fallocate reserves, keeps the size, punches holes and zeroes ranges" fallocate_modes

seek_hole() {
  cd "$D"; python3 - <<'E'
import os, errno
f = os.open("s", os.O_RDWR | os.O_CREAT)
os.pwrite(f, b"d" * 65536, 0); os.pwrite(f, b"e" * 65536, 10 << 20); os.ftruncate(f, 20 << 20)
assert os.lseek(f, 0, os.SEEK_DATA) == 0
h = os.lseek(f, 0, os.SEEK_HOLE); assert 65536 <= h <= 131072, h
d = os.lseek(f, h, os.SEEK_DATA); assert (10 << 20) - 65536 <= d <= 10 << 20, d
h = os.lseek(f, d, os.SEEK_HOLE); assert (10 << 20) + 65536 <= h <= (10 << 20) + 131072, h
for what, where in ((os.SEEK_DATA, h), (os.SEEK_DATA, 20 << 20), (os.SEEK_HOLE, 20 << 20)):
    try: os.lseek(f, where, what)
    except OSError as e: assert e.errno == errno.ENXIO, e
    else: raise AssertionError("no data there")
os.close(f)
E
  rm s
}
it "SEEK_DATA and SEEK_HOLE find data and holes" seek_hole

tmpfile() {
  cd "$D"; python3 - <<'E'
import ctypes, os
f = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640); os.write(f, b"kept")
assert os.fstat(f).st_nlink == 0
assert ctypes.CDLL(None).linkat(-100, f"/proc/self/fd/{f}".encode(), -100, b"linked", 0x400) == 0; os.close(f)
assert open("linked").read() == "kept" and os.stat("linked").st_nlink == 1
f = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640); os.write(f, b"gone"); os.close(f)
E
  rm linked
}
it "O_TMPFILE makes a nameless file that linkat names" tmpfile

copy_ranges() {
  cd "$D"; head -c 3000000 /dev/urandom >src
  cp --reflink=never src c1; cmp src c1
  python3 - <<'E'
import os
s = os.open("src", os.O_RDONLY); t = os.open("c2", os.O_RDWR | os.O_CREAT)
want = os.pread(s, 3000000, 0)
done = 0
while done < 2000001:
    n = os.copy_file_range(s, t, 2000001 - done, 777 + done, 12345 + done); assert n > 0; done += n
assert os.pread(t, 3000000, 0) == bytes(12345) + want[777:777 + 2000001]
assert os.copy_file_range(s, t, 100, 3000000, 0) == 0
os.sendfile(t, s, 0, 1000000) and os.lseek(t, 0, 0)
E
  rm src c1 c2
}
it "copy_file_range, sendfile and cp copy exactly the bytes asked for" copy_ranges

unlinked_open() {
  cd "$D"; sync -f .; local before after
  before=$(stat -f -c %f .)
  exec 9<>open; head -c 8000000 /dev/urandom >&9; rm open
  same "link count" 0 "$(stat -L -c %h /proc/self/fd/9)"
  echo more >&9
  same size 8000005 "$(stat -L -c %s /proc/self/fd/9)"
  same content 8000005 "$(cat /proc/self/fd/9 | wc -c)"
  exec 9>&-; sync -f .; sleep 1; sync -f .
  after=$(stat -f -c %f .)
  [ $((before - after)) -lt 200 ] || fail "space of the unlinked file is not free: $before blocks before, $after after"
}
it "An unlinked open file stays usable, and its space is free after close" unlinked_open

mmaps() {
  cd "$D"; python3 - <<'E'
import mmap, os
f = os.open("m", os.O_RDWR | os.O_CREAT); os.ftruncate(f, 100000)
m = mmap.mmap(f, 100000); m[5000:5005] = b"hello"; m[99995:] = b"world"
assert os.pread(f, 5, 5000) == b"hello"
os.pwrite(f, b"pw", 7); assert m[7:9] == b"pw"
m.flush(); m.close(); os.close(f)
E
  remount_volume posix; cd "$D"
  same mapped hello "$(tail -c +5001 m | head -c 5)"; same mapped world "$(tail -c 5 m)"
  cp /bin/true t; chmod +x t; ./t; rm m t
}
it "Shared mappings are coherent with read and write, reach the volume, and programs execute" mmaps

locks() {
  cd "$D"; touch l
  exec 8>l; flock -n 8; refused flock -n l true; exec 8>&-; flock -n l true
  python3 - <<'E'
import fcntl, os
f = open("l", "r+"); fcntl.lockf(f, fcntl.LOCK_EX, 10, 0)
if os.fork() == 0:
    g = open("l", "r+")
    try: fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 5); os._exit(1)
    except OSError: pass
    fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 10); os._exit(0)
assert os.wait()[1] == 0
E
  rm l
}
it "flock and record locks exclude other processes" locks

statfs() {
  cd "$D"; sync -f .; local a b
  a=$(stat -f -c %a .); head -c 20000000 /dev/urandom >big; sync -f .
  b=$(stat -f -c %a .)
  [ $(( (a - b) * $(stat -f -c %S .) )) -ge 19000000 ] || fail "free space fell by $((a - b)) blocks of $(stat -f -c %S .)"
  same "longest name" 255 "$(stat -f -c %l .)"
  [ "$(stat -f -c %d .)" -gt 1000 ] || fail "free inodes: $(stat -f -c %d .)"
  rm big
}
it "statfs shows the space that is used and the longest name" statfs

names() {
  cd "$D"; mkdir n; cd n; local long; long=$(printf 'x%.0s' $(seq 1 255))
  touch "$long"; [ -e "$long" ]; refused touch "${long}y"
  touch -- $'new\nline' $'\x01\xff\xfe' 'ünïcode' ' lead' 'a*b?' '...' 'UPPER' 'upper' '-dash'
  same count 10 "$(find . -mindepth 1 -printf x | wc -c)"
  remount_volume posix; cd "$D/n"; [ -e $'\x01\xff\xfe' ]; [ -e "$long" ]; [ -e $'new\nline' ]
  cd ..; rm -r n
}
it "Names are 255 arbitrary bytes but slash and zero" names

syncs() {
  cd "$D"; dd if=/dev/urandom of=s bs=4096 count=64 oflag=direct status=none
  dd if=s of=s2 bs=65536 iflag=direct oflag=direct status=none; cmp s s2
  dd if=/dev/urandom of=s3 bs=1000 count=50 oflag=sync conv=fsync status=none
  dd if=/dev/urandom of=s4 bs=1000 count=50 oflag=dsync conv=fdatasync status=none
  sync s s2 s3; sync -d s4; sync .; sync -f .; rm s s2 s3 s4
}
it "fsync, fdatasync, O_SYNC, O_DSYNC, O_DIRECT, directory fsync and syncfs succeed" syncs

permissions() {
  cd "$D"; chmod 755 .; mkdir p; chmod 777 p; cd p
  local user="setpriv --reuid=61000 --regid=61000 --clear-groups"
  echo r >readable; chmod 644 readable; echo h >hidden; chmod 600 hidden
  same "other users read what modes allow" r "$($user cat readable)"
  refused $user cat hidden; refused $user sh -c 'echo >readable'
  $user touch mine; same owner 61000:61000 "$(stat -c %u:%g mine)"
  refused $user chown 0 mine; refused $user chmod 777 readable
  mkdir sticky; chmod 1777 sticky; touch sticky/roots; refused $user rm -f sticky/roots
  mkdir sg; chgrp 4321 sg; chmod 2775 sg; touch sg/f; mkdir sg/d
  same "setgid directory gives its group" 4321 "$(stat -c %g sg/f)"
  same "and the bit to directories" 2 "$(stat -c %a sg/d | cut -c1)"
  cp /bin/true suid; chown 61000 suid; chmod 6755 suid; same mode 6755 "$(stat -c %a suid)"
  $user sh -c 'echo x >>suid'; same "a write clears setuid and setgid" 755 "$(stat -c %a suid)"
  chmod 6755 suid; chown 1001:1001 suid; same "chown clears them" 755 "$(stat -c %a suid)"
  (umask 027; touch um; mkdir umd); same umask 640 "$(stat -c %a um)"; same umask 750 "$(stat -c %a umd)"
  cd ..; rm -r p
}
it "Modes, owners, sticky, setgid and setuid bits are enforced for other users" permissions

times() {
  cd "$D"; touch -d '2001-02-03 04:05:06.123456789 UTC' t
  same nanoseconds '2001-02-03 04:05:06.123456789' "$(TZ=UTC stat -c %y t | cut -c1-29)"
  touch -d '1902-01-01 UTC' old; touch -d '2400-06-01 UTC' new
  [ "$(stat -c %Y t)" = 981173106 ]
  local c; c=$(stat -c %Z t); [ "$c" -gt 1600000000 ] || fail "ctime $c"
  touch -a -d '2010-01-01 UTC' t; same "mtime stays" 981173106 "$(stat -c %Y t)"
  [ "$(stat -c %W t)" -gt 1600000000 ] || fail "no birth time: $(stat -c %W t)"
  local before after; mkdir d; before=$(stat -c %.9Y d); sleep 0.02; touch d/x; after=$(stat -c %.9Y d)
  [ "$before" != "$after" ] || fail "mtime of a directory did not move on create"
  before=$(stat -c %.9Z d/x); sleep 0.02; chmod 600 d/x; after=$(stat -c %.9Z d/x)
  [ "$before" != "$after" ] || fail "ctime did not move on chmod"
  remount_volume posix; cd "$D"
  same "after remount" '2001-02-03 04:05:06.123456789' "$(TZ=UTC stat -c %y t | cut -c1-29)"
  same "year 2400" 2400 "$(TZ=UTC date -r new +%Y)"
  rm -r t old new d
}
it "Times have nanoseconds, survive, and move when they must" times

directories() {
  cd "$D"; mkdir d; cd d; mkdir -p 1/2/3; same "link count" 3 "$(stat -c %h 1)"
  refused rmdir 1; rmdir 1/2/3; same "link count" 2 "$(stat -c %h 1/2)"
  refused python3 -c 'import os; os.unlink("1")'; touch f; refused rmdir f
  refused mkdir f/x; refused mkdir 1; refused touch none/x
  seq 1 5000 | sed 's/^/entry-with-a-name-/' | xargs touch
  same listed 5002 "$(ls -A | wc -l)"; same "each once" 5002 "$(ls -A | sort -u | wc -l)"
  ( cd "$D/d"; mkdir gone; cd gone; rmdir ../gone; refused touch x )
  local deep=deep i; for i in $(seq 1 150); do deep=$deep/level$i; done; mkdir -p $deep; echo bottom >$deep/f
  same deep bottom "$(cat $deep/f)"
  cd ..; rm -r d; [ ! -e d ]
}
it "Directories count links, refuse what is not empty, list each of 5000 names once and nest deeply" directories

seekdir() {
  cd "$D"; mkdir sd; ( cd sd; seq 1 3000 | xargs touch )
  cat >"$WORK/sd.c" <<'E'
#include <dirent.h>
#include <stdio.h>
#include <string.h>
int main(int c, char **v) {
  DIR *d = opendir(v[1]); struct dirent *e; long at[4000]; char names[4000][16]; int n = 0;
  for (;;) { at[n] = telldir(d); e = readdir(d); if (!e) break; strcpy(names[n++], e->d_name); }
  for (int i = 0; i < n; i += 7) { seekdir(d, at[i]); e = readdir(d); if (!e || strcmp(e->d_name, names[i])) return 1; }
  rewinddir(d); int m = 0; while (readdir(d)) m++;
  printf("%d %d\n", n, m); return n != m;
}
E
  cc -o "$WORK/sd" "$WORK/sd.c"; same entries "3002 3002" "$("$WORK/sd" sd)"; rm -r sd
}
it "telldir and seekdir return to the same entry" seekdir

appenders() {
  cd "$D"; : >log; local p
  for p in 1 2 3 4; do ( for i in $(seq 1 500); do echo "process-$p-line-$i-$(printf 'x%.0s' {1..50})"; done >>log ) & done; wait
  same lines 2000 "$(wc -l <log)"; same distinct 2000 "$(sort -u log | wc -l)"
  same whole 2000 "$(grep -cE '^process-[1-4]-line-[0-9]+-x{50}$' log)"; rm log
  ( set -C; echo a >excl ); refused bash -c 'set -C; echo b >excl'; rm excl
}
it "Concurrent appenders lose no line, and exclusive create is exclusive" appenders

manifest() { python3 "$HERE/manifest.py" "$D"; }
everything_survives() {
  cd "$D"; mkdir all; cd all; echo 1 >a; ln a b; ln -s a c; mkfifo d; mknod e c 5 6; mkdir f; echo x >f/g
  setfattr -n user.k -v v a; setfacl -m u:5:r a; touch -d '2005-05-05 05:05:05.555555555' a f c -h; chown 12:34 f; chmod 1751 f
  truncate -s 1T sparse
  local before after; before=$(manifest); cd /; remount_volume posix; after=$(manifest)
  diff <(echo "$before") <(echo "$after")
}
it "The whole tree is the same after a remount, byte, mode, owner, time, link and attribute" everything_survives
finish posix
