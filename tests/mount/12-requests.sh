#!/bin/bash
# Every request that the kernel can send, seen to arrive: the daemon's own counters before and after each operation, and
# what the operation has to leave behind.
. "$(dirname "$0")/lib.bash"
only_integrityfs
need python3 setfattr mkfs.ext4
start requests 256M
D=$(dir_of requests)

cat >"$WORK/requests.py" <<'E'
import ctypes, errno, fcntl, json, mmap, os, signal, socket, stat, struct, subprocess, sys, threading, time
program, D = sys.argv[1], sys.argv[2]
libc = ctypes.CDLL(None, use_errno=True)
os.chdir(D)
def counts():
    return json.loads(subprocess.run([program, "status", "--json", D], capture_output=True, check=True).stdout)["requests"]
class sends:
    """with sends("mkdir"): the daemon must see at least one such request inside."""
    def __init__(self, *names, least=1): self.names, self.least = names, least
    def __enter__(self): self.before = counts()
    def __exit__(self, kind, value, trace):
        if kind: return
        after = counts()
        for name in self.names:
            seen = after.get(name, 0) - self.before.get(name, 0)
            assert seen >= self.least, f"{seen} requests '{name}' arrived"
def check(result, what):
    if result < 0: raise OSError(ctypes.get_errno(), what)
    return result
def fails(code, f, *a):
    try: f(*a)
    except OSError as e: assert e.errno == code, e
    else: raise AssertionError("must fail")
def fd(path, flags, mode=0o644): return os.open(path, flags, mode)

def lookup_and_forget():
    os.mkdir("many"); [os.close(fd(f"many/{n}", os.O_CREAT)) for n in range(2000)]
    with sends("lookup"): fails(errno.ENOENT, os.stat, "never-seen")
    with sends("lookup", least=5):
        for n in range(10): fails(errno.ENOENT, os.stat, f"other-{n}")
    before = counts()
    deadline = time.monotonic() + 30
    while True:
        # One pass may only take the mark of recent use from what it meets.
        with open("/proc/sys/vm/drop_caches", "w") as drop: drop.write("2")
        after = counts()
        if sum(after.get(k, 0) - before.get(k, 0) for k in ("forget", "batchforget")) > 10: break
        assert time.monotonic() < deadline, "nothing was forgotten"
        time.sleep(.1)
    assert len(os.listdir("many")) == 2000 and os.stat("many/7").st_nlink == 1

def inodes(): s = os.statvfs("."); return s.f_files - s.f_ffree
def freed(before, what):
    deadline = time.monotonic() + 10
    while inodes() != before:
        assert time.monotonic() < deadline, f"{inodes() - before} inodes too many are left of {what}"
        time.sleep(.05)

def held_without_name():
    before = inodes()
    os.mkdir("gone"); f = fd("held", os.O_CREAT | os.O_WRONLY); os.write(f, b"h" * 100000); os.close(f)
    os.link("held", "held2"); [e.stat() for e in os.scandir(".")]
    p = fd("held", os.O_PATH); d = fd("gone", os.O_PATH)
    os.unlink("held"); os.unlink("held2"); os.rmdir("gone")
    open("/proc/sys/vm/drop_caches", "w").write("2")
    with sends("open"): f = fd(f"/proc/self/fd/{p}", os.O_RDWR)
    assert os.read(f, 200000) == b"h" * 100000 and os.fstat(f).st_nlink == 0; os.close(f)
    with sends("setattr"): os.utime(f"/proc/self/fd/{d}", (5, 5))
    assert os.fstat(d).st_mtime == 5
    assert inodes() == before + 2
    os.close(p); os.close(d); freed(before, "what was held without a name")

def counted_alike():
    """Every way to learn of an inode, several times, over several lives in the kernel's cache: the counts meet at 0."""
    before = inodes(); os.mkdir("counted")
    def path(n): return f"counted/{n}"
    for n in range(300):
        if n % 5 == 0: os.symlink("x", path(n))
        elif n % 5 == 1: os.mkdir(path(n))
        elif n % 5 == 2: os.mkfifo(path(n))
        elif n % 5 == 3: os.close(fd(path(n), os.O_CREAT)); os.link(path(n), path(f"{n}l"))
        else:
            f = fd("counted", os.O_TMPFILE | os.O_RDWR)
            check(libc.linkat(-100, f"/proc/self/fd/{f}".encode(), -100, path(n).encode(), 0x400), "linkat"); os.close(f)
    for _ in range(3):
        [e.stat(follow_symlinks=False) for e in os.scandir("counted")]
        open("/proc/sys/vm/drop_caches", "w").write("2")
        for n in range(300): os.lstat(path(n)).st_ino
        os.close(fd(path(4), os.O_CREAT | os.O_WRONLY))
    for n in range(0, 300, 5): os.rename(path(n), path(n + 2))
    freed(before + 1 + 240, "the names that were replaced")
    stop = threading.Event()
    def look():
        while not stop.is_set():
            try: [e.stat(follow_symlinks=False) for e in os.scandir("counted")]
            except OSError: pass
    lookers = [threading.Thread(target=look) for _ in range(2)]; [t.start() for t in lookers]
    subprocess.run(["rm", "-r", "counted"], check=True)
    stop.set(); [t.join() for t in lookers]
    freed(before, "a tree that was removed while others listed it")

def getattr_setattr():
    f = fd("a", os.O_CREAT | os.O_RDWR); os.write(f, b"12345")
    with sends("setattr"): os.chmod("a", 0o2741)
    assert stat.S_IMODE(os.stat("a").st_mode) == 0o2741
    with sends("setattr"): os.chown("a", 11, 22)
    s = os.stat("a"); assert (s.st_uid, s.st_gid) == (11, 22)
    with sends("setattr"): os.ftruncate(f, 3)
    assert os.pread(f, 9, 0) == b"123"
    with sends("setattr"): os.utime("a", ns=(5, 10**18 + 7))
    s = os.stat("a"); assert (s.st_atime_ns, s.st_mtime_ns) == (5, 10**18 + 7)
    os.close(f)

class Statx(ctypes.Structure): _fields_ = [("mask", ctypes.c_uint32), ("blksize", ctypes.c_uint32), ("raw", ctypes.c_uint8 * 248)]
def statx_btime():
    before = time.time(); os.close(fd("born", os.O_CREAT)); after = time.time()
    buffer = Statx()
    with sends("statx"):
        check(libc.statx(-100, b"born", 0x2000, 0xfff, ctypes.byref(buffer)), "statx")
    assert buffer.mask & 0x800, "no birth time"
    seconds, nanoseconds = struct.unpack_from("<qI", bytes(buffer.raw), 0x50 - 8)
    assert before - 2 <= seconds + nanoseconds / 1e9 <= after + 2, (before, seconds)
    os.utime("born", (1, 1)); check(libc.statx(-100, b"born", 0x2000, 0xfff, ctypes.byref(buffer)), "statx")
    assert struct.unpack_from("<q", bytes(buffer.raw), 0x50 - 8)[0] == seconds, "the birth time moved"

def names():
    with sends("mkdir"): os.mkdir("d")
    with sends("symlink"): os.symlink("target of it", "l")
    open("/proc/sys/vm/drop_caches", "w").write("2")
    with sends("readlink"): assert os.readlink("l") == "target of it"
    f = fd("n", os.O_CREAT | os.O_WRONLY); os.close(f)
    with sends("link"): os.link("n", "n2")
    assert os.stat("n").st_nlink == 2
    with sends("rename"): os.rename("n", "d/n")
    os.close(fd("n3", os.O_CREAT)); one, other = os.stat("d/n").st_ino, os.stat("n3").st_ino
    with sends("rename2"): check(libc.renameat2(-100, b"d/n", -100, b"n3", 2), "EXCHANGE of two names")
    assert (os.stat("d/n").st_ino, os.stat("n3").st_ino) == (other, one)
    assert libc.renameat2(-100, b"d/n", -100, b"n2", 1) < 0 and ctypes.get_errno() == errno.EEXIST
    with sends("rename2"): check(libc.renameat2(-100, b"d/n", -100, b"d/n5", 1), "NOREPLACE"); check(libc.renameat2(-100, b"d/n5", -100, b"d/n", 1), "NOREPLACE")
    fails(errno.EINVAL, os.rename, "d", "d/below")
    with sends("unlink"): os.unlink("d/n")
    with sends("rmdir"): os.rmdir("d")
    fails(errno.ENOTEMPTY, os.rmdir, "many")

def nodes():
    with sends("mknod", least=5):
        os.mkfifo("fifo"); os.mknod("char", stat.S_IFCHR | 0o600, os.makedev(1, 3)); os.mknod("block", stat.S_IFBLK | 0o600, os.makedev(7, 300))
        os.mknod("plain", stat.S_IFREG | 0o600); s = socket.socket(socket.AF_UNIX); s.bind("sock")
    for name, kind, device in (("fifo", stat.S_ISFIFO, 0), ("char", stat.S_ISCHR, os.makedev(1, 3)), ("block", stat.S_ISBLK, os.makedev(7, 300)), ("plain", stat.S_ISREG, 0), ("sock", stat.S_ISSOCK, 0)):
        st = os.stat(name); assert kind(st.st_mode) and st.st_rdev == device, name
    with open("char", "wb") as null: null.write(b"gone")

def files():
    with sends("create", "write", "release"):
        f = fd("f", os.O_CREAT | os.O_WRONLY | os.O_EXCL); os.write(f, b"x" * 10000); os.close(f)
    fails(errno.EEXIST, fd, "f", os.O_CREAT | os.O_EXCL)
    open("/proc/sys/vm/drop_caches", "w").write("3")
    with sends("open", "read"):
        f = fd("f", os.O_RDONLY); assert os.read(f, 20000) == b"x" * 10000; os.close(f)
    with sends("fsync"): f = fd("f", os.O_RDWR); os.fsync(f); os.close(f)
    with sends("fsync"): f = fd("f", os.O_RDWR); os.pwrite(f, b"y", 3); os.fdatasync(f); os.close(f)
    with sends("fsyncdir"): f = fd(".", os.O_RDONLY); os.fsync(f); os.close(f)
    f = fd("f", os.O_WRONLY | os.O_TRUNC); assert os.fstat(f).st_size == 0; os.close(f)
    # close(2) reports what write(2) could not: nothing, because each write reaches the daemon. FLUSH is answered once.
    f = fd("f", os.O_WRONLY | os.O_APPEND); g = os.dup(f); os.write(f, b"1"); os.write(g, b"2"); os.close(f); os.close(g)
    assert open("f").read() == "12"

def directories():
    # The kernel keeps no handle for a directory, so opendir and releasedir are asked for once at most; and it keeps what
    # it has listed, so it asks again only for a directory that has changed.
    os.mkdir("listed"); [os.close(fd(f"listed/{n}", os.O_CREAT)) for n in range(2000)]
    with sends("readdirplus"): assert sorted(os.listdir("listed")) == sorted(map(str, range(2000)))
    os.close(fd("listed/more", os.O_CREAT))
    with sends("readdir"): assert len(os.listdir("listed")) == 2001
    os.unlink("listed/more"); os.close(fd("many/one-more", os.O_CREAT))
    with sends("readdir"):
        # Without attributes: what the kernel asks for after the first pages, when nobody looks at the files.
        f = fd("many", os.O_RDONLY); buffer = ctypes.create_string_buffer(4096); got = 0
        while (n := check(libc.syscall(217, f, buffer, 4096), "getdents64")) > 0: got += n
        os.close(f); assert got > 2001 * 20

def statistics():
    with sends("statfs"): s = os.statvfs(".")
    assert s.f_namemax == 255 and s.f_bfree <= s.f_blocks and s.f_bsize == 4096

def attributes():
    with sends("setxattr"): os.setxattr("f", "user.k", b"value")
    with sends("getxattr"): assert os.getxattr("f", "user.k") == b"value"
    with sends("listxattr"): assert "user.k" in os.listxattr("f")
    with sends("removexattr"): os.removexattr("f", "user.k")
    fails(errno.ENODATA, os.getxattr, "f", "user.k")

def access():
    os.chmod("f", 0o640); os.chown("f", 0, 0)
    pid = os.fork()
    if pid == 0:
        os.setgroups([]); os.setresgid(9, 9, 9); os.setresuid(9, 9, 9)
        os._exit(0 if not os.access("f", os.R_OK) and not os.access("f", os.W_OK) and os.access("f", os.F_OK) else 1)
    assert os.waitpid(pid, 0)[1] == 0, "access(2) tells another user something else than the mode"
    assert os.access("f", os.R_OK | os.W_OK) and not os.access("f", os.X_OK)

def allocation():
    f = fd("space", os.O_CREAT | os.O_RDWR); os.pwrite(f, b"d" * 300000, 0)
    def allocate(mode, at, size): return libc.fallocate(f, mode, ctypes.c_long(at), ctypes.c_long(size))
    for mode, at, size, length in ((0, 300000, 100000, 400000), (1, 400000, 100000, 400000), (3, 10000, 50000, 400000), (16, 100001, 9999, 400000), (17, 390000, 50000, 400000)):
        with sends("fallocate"): check(allocate(mode, at, size), f"fallocate mode {mode}")
        assert os.fstat(f).st_size == length, mode
    want = bytearray(b"d" * 300000 + bytes(100000)); want[10000:60000] = bytes(50000); want[100001:110000] = bytes(9999)
    assert os.pread(f, 500000, 0) == bytes(want)
    for mode in (8, 32, 2, 64):  # collapse, insert, a hole that would change the size, unshare
        result = allocate(mode, 4096, 4096); code = ctypes.get_errno()
        assert result < 0 and code in (errno.EOPNOTSUPP, errno.EINVAL) or mode == 64, f"mode {mode}: {result} {code}"
    assert os.pread(f, 500000, 0) == bytes(want), "a refused mode changed something"
    with sends("lseek"):
        hole = os.lseek(f, 0, os.SEEK_HOLE); assert 0 < hole <= 12288, hole
        assert 10000 < os.lseek(f, hole, os.SEEK_DATA) <= 60000
    g = fd("copy", os.O_CREAT | os.O_RDWR)
    before = counts(); done = 0
    while done < 400000: done += os.copy_file_range(f, g, 400000 - done, done, done)
    after = counts()
    assert sum(after.get(k, 0) - before.get(k, 0) for k in ("copyfilerange", "copyfilerange64")) >= 1, "no copy_file_range arrived"
    assert os.pread(g, 500000, 0) == bytes(want); os.close(f); os.close(g)

def temporary():
    with sends("tmpfile"): f = fd(".", os.O_TMPFILE | os.O_RDWR)
    os.write(f, b"nameless"); check(libc.linkat(-100, f"/proc/self/fd/{f}".encode(), -100, b"named", 0x400), "linkat"); os.close(f)
    assert open("named").read() == "nameless"

def large():
    f = fd("large", os.O_CREAT | os.O_RDWR); data = os.urandom(1 << 20)
    before = counts(); assert os.write(f, data * 8) == 8 << 20; after = counts()
    assert after["write"] - before["write"] <= 9, f"8 MiB took {after['write'] - before['write']} requests"
    os.close(f); open("/proc/sys/vm/drop_caches", "w").write("3")
    f = fd("large", os.O_RDONLY | os.O_DIRECT); m = mmap.mmap(-1, 8 << 20)
    before = counts(); assert os.preadv(f, [m], 0) == 8 << 20; after = counts(); assert m[:] == data * 8
    assert after["read"] - before["read"] <= 9, f"8 MiB took {after['read'] - before['read']} requests"
    os.close(f)

def interrupted():
    """A process that waits for the filesystem can be killed, and the filesystem goes on."""
    children = []
    for n in range(8):
        pid = os.fork()
        if pid == 0:
            f = fd(f"interrupt{n}", os.O_CREAT | os.O_WRONLY)
            while True: os.write(f, b"i" * 500000); os.fsync(f); os.lseek(f, 0, 0)
        children.append(pid)
    for pid in children:
        time.sleep(.05); os.kill(pid, signal.SIGKILL)
    for pid in children: assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    for n in range(8): assert os.stat(f"interrupt{n}").st_size <= 500000
    caught = []
    signal.signal(signal.SIGALRM, lambda *_: caught.append(1)); signal.setitimer(signal.ITIMER_REAL, .001, .001)
    f = fd("alarmed", os.O_CREAT | os.O_RDWR)
    for n in range(300): assert os.pwrite(f, bytes([n & 255]) * 9999, n * 9999) == 9999
    os.fsync(f); signal.setitimer(signal.ITIMER_REAL, 0)
    for n in range(300): assert os.pread(f, 9999, n * 9999) == bytes([n & 255]) * 9999
    os.close(f); assert caught, "no signal arrived"

def threads():
    status = json.loads(subprocess.run([program, "status", "--json", D], capture_output=True, check=True).stdout)
    assert status["fuse"]["threads"] >= 2, status["fuse"]
    def work(n):
        f = fd(f"thread{n}", os.O_CREAT | os.O_RDWR)
        for i in range(200): os.pwrite(f, b"%d" % n * 4096, i * 4096)
        assert os.pread(f, 200 * 8192, 0).count(b"%d" % n) == 200 * 4096 * len(b"%d" % n) // len(b"%d" % n) or n > 9
        os.close(f)
    ts = [threading.Thread(target=work, args=(n,)) for n in range(8)]; [t.start() for t in ts]; [t.join() for t in ts]

def unsupported():
    f = fd("f", os.O_RDONLY)
    fails(errno.ENOTTY, fcntl.ioctl, f, 0x1234)
    os.close(f)

globals()[sys.argv[3]]()
E
of() { python3 "$WORK/requests.py" "$INTEGRITYFS" "$D" "$1"; }
it "lookup and forget: absent names are asked for, dropped ones are forgotten, and come back" of lookup_and_forget
it "What has no name any more stays for who holds it without a handle, and goes when he lets go" of held_without_name
it "Inodes that were learnt of in every way are freed when they are removed: both sides count alike" of counted_alike
it "getattr and setattr: mode, owner, size and times" of getattr_setattr
it "statx has the birth time, which does not move" of statx_btime
it "mkdir, symlink, readlink, link, rename with flags, unlink, rmdir" of names
it "mknod makes pipes, devices, sockets and plain files" of nodes
it "create, open, read, write, flush, release, fsync, fdatasync, fsyncdir" of files
it "opendir, readdir, readdirplus, releasedir" of directories
it "statfs" of statistics
it "setxattr, getxattr, listxattr, removexattr" of attributes
it "access tells each user what the mode says" of access
it "fallocate in every mode, lseek, copy_file_range" of allocation
it "tmpfile, and linkat of it" of temporary
it "Requests are as large as 1 MiB, both ways" of large
it "Processes that wait can be killed and interrupted, and nothing is lost" of interrupted
it "Several threads serve" of threads
it "An ioctl that nobody knows is refused" of unsupported

synced() { "$INTEGRITYFS" status --json "$D" | python3 -c 'import json,sys; s=json.load(sys.stdin); print(s["syncfsDelivered"], s["requests"].get("syncfs", 0))'; }
syncfs_is_durable() { # SYNCFS reaches the daemon on fuseblk, and what it covers survives a kill
  local before after n; mkdir "$D/syncfs"; before=$(synced)
  python3 -c "
for n in range(200): open('$D/syncfs/%d' % n, 'wb').write(b'%d' % n * 1000)"
  sync -f "$D/syncfs"; after=$(synced); echo "delivered, requests: $before, then $after"
  case $before in True*) ;; *) echo "this kernel does not deliver syncfs"; return 0 ;; esac
  [ "${after#* }" -gt "${before#* }" ] || fail "no SYNCFS arrived"
  kill_volume requests; mount_volume requests
  for n in 0 7 199; do same "size of $n" $((1000 * ${#n})) "$(stat -c %s "$D/syncfs/$n")"; done
  same files 200 "$(ls "$D/syncfs" | wc -l)"
  echo all >"$D/syncfs/all"; sync; kill_volume requests; mount_volume requests; same "after sync(2)" all "$(cat "$D/syncfs/all")"
}
it "syncfs and sync reach the daemon, and what they cover survives a kill" syncfs_is_durable
destroy() { # umount sends DESTROY and waits: right after it the image is clean and free
  echo last >"$D/last"; umount "$D"
  "$INTEGRITYFS" status --json "$(image_of requests)" | grep -q '"clean": true' || fail "umount returned before the volume was closed"
  check_volume requests; mount_volume requests; same content last "$(cat "$D/last")"
}
it "destroy: umount returns after the volume is closed" destroy
finish requests
