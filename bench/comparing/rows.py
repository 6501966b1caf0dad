"""The workloads. A row measures one number of one contender; `better` is higher or lower. Rows run in this order within a
round, and a row that works on what an earlier one left makes it where that one did not run."""
import json
import os
import random
import shutil
import subprocess
import time

import host

MIB = 1 << 20


class Row:
    def __init__(self, name, title, unit, better, measure, kinds=("kernel", "peer", "ceiling", "ours"), digits=0):
        self.name, self.title, self.unit, self.better, self.measure = name, title, unit, better, measure
        self.kinds, self.digits = kinds, digits


class Settings:
    """Sizes of one run."""

    def __init__(self, quick, entries, work):
        self.file_mib = 128 if quick else 512
        self.reads = 4096 if quick else 16384
        self.writes = 4096 if quick else 16384
        self.seconds = 2 if quick else 5
        self.files = 1500 if quick else 6000
        self.small_entries = 10_000
        self.large_entries = entries
        self.work = work
        self.tar = os.path.join(work, "tree.tar")
        self.pattern = random.Random(1).randbytes(MIB)

    def make_tar(self):
        """A tree like a source package: mostly small files, some larger, in many directories."""
        r = random.Random(2)
        root = os.path.join(self.work, "tree")
        for n in range(self.files):
            directory = os.path.join(root, f"d{n % 37}", f"e{n % 11}")
            os.makedirs(directory, exist_ok=True)
            size = int(min(r.lognormvariate(8.2, 1.3), 400_000))
            with open(os.path.join(directory, f"file-{n}.c"), "wb") as file:
                file.write(r.randbytes(size))
        host.run("tar", "-C", self.work, "-cf", self.tar, "tree")
        shutil.rmtree(root)


def seconds_of(action):
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


# ------------------------------------------------------------------ sequential

def big(c):
    return os.path.join(c.root, "big")


def write_big(c, s, flags):
    f = os.open(big(c), os.O_WRONLY | flags, 0o644)
    try:
        for n in range(s.file_mib):
            # Each MiB differs, at no cost worth measuring.
            os.write(f, n.to_bytes(8, "little") + s.pattern[8:])
        os.fsync(f)
    finally:
        os.close(f)


def ensure_big(c, s):
    if not os.path.exists(big(c)) or os.path.getsize(big(c)) < s.file_mib * MIB:
        write_big(c, s, os.O_CREAT)


def sequential_write(c, s):
    if os.path.exists(big(c)):
        os.unlink(big(c))
        os.sync()
    return s.file_mib / seconds_of(lambda: write_big(c, s, os.O_CREAT | os.O_EXCL))


def overwrite(c, s):
    ensure_big(c, s)
    os.sync()
    return s.file_mib / seconds_of(lambda: write_big(c, s, 0))


def read_big(c):
    f = os.open(big(c), os.O_RDONLY)
    buffer = memoryview(bytearray(MIB))
    try:
        while os.readv(f, [buffer]) > 0:
            pass
    finally:
        os.close(f)


def read_cold(c, s):
    ensure_big(c, s)
    c.cold()
    return s.file_mib / seconds_of(lambda: read_big(c))


def read_warm(c, s):
    ensure_big(c, s)
    read_big(c)
    return s.file_mib / seconds_of(lambda: read_big(c))


# ------------------------------------------------------------------ random

def fio(*arguments):
    text = host.run("fio", "--name=job", "--bs=4k", "--ioengine=psync", "--thread", "--group_reporting", "--invalidate=0",
                    "--output-format=json", "--randrepeat=1", *arguments)
    job = json.loads(text[text.index("{"):])["jobs"][0]
    if job["error"]:
        raise host.CommandError(f"fio: {os.strerror(job['error'])}")
    return job


def random_read(readers):
    def measure(c, s):
        ensure_big(c, s)
        c.cold()
        # The kernel's readahead would turn random reads of a small file into sequential ones of all of it.
        return fio("--rw=randread", f"--filename={big(c)}", f"--size={s.file_mib}m", "--fadvise_hint=random",
                   f"--io_size={s.reads * 4096 // readers}", f"--numjobs={readers}")["read"]["iops"]
    return measure


def random_write(c, s):
    ensure_big(c, s)
    os.sync()
    r = random.Random(5)
    places = [r.randrange(s.file_mib * 256) * 4096 for _ in range(s.writes)]

    def write():
        f = os.open(big(c), os.O_WRONLY)
        for n, place in enumerate(places):
            at = (n * 4096) % (MIB - 4096)
            os.pwrite(f, s.pattern[at:at + 4096], place)
        os.fsync(f)
        os.close(f)

    return s.writes / seconds_of(write)


def sync_writes(writers):
    def measure(c, s):
        names = []
        for n in range(writers):
            path = os.path.join(c.root, f"sync.{n}")
            names.append(path)
            if not os.path.exists(path):
                with open(path, "wb") as file:
                    file.write(s.pattern * 4)
                    os.fsync(file.fileno())
        os.sync()
        job = fio("--rw=randwrite", "--size=4m", "--fsync=1", "--overwrite=1", "--time_based", f"--runtime={s.seconds}",
                  f"--directory={c.root}", "--filename_format=sync.$jobnum", f"--numjobs={writers}")
        return job["write"]["iops"]
    return measure


# ------------------------------------------------------------------ trees

def tree(c):
    return os.path.join(c.root, "tree")


def sync_filesystem(path):
    host.run("sync", "-f", path)


def extract(c, s):
    def unpack():
        host.run("tar", "-C", c.root, "-xf", s.tar)
        sync_filesystem(c.root)
    if os.path.exists(tree(c)):
        shutil.rmtree(tree(c))
        sync_filesystem(c.root)
    with open(s.tar, "rb") as file:
        while file.read(MIB):
            pass
    return s.files / seconds_of(unpack)


def ensure_tree(c, s):
    if not os.path.exists(tree(c)):
        extract(c, s)


def list_and_stat(c, s):
    ensure_tree(c, s)
    c.cold()
    seen = []

    def walk(path):
        with os.scandir(path) as entries:
            for entry in entries:
                seen.append(entry.stat(follow_symlinks=False).st_size)
                if entry.is_dir(follow_symlinks=False):
                    walk(entry.path)
    return len(seen) / seconds_of(lambda: walk(tree(c))) if seen else s.files / seconds_of(lambda: walk(tree(c)))


def read_tree(c, s):
    ensure_tree(c, s)
    c.cold()

    def read():
        for directory, _, names in os.walk(tree(c)):
            for name in names:
                with open(os.path.join(directory, name), "rb", buffering=0) as file:
                    while file.read(MIB):
                        pass
    return s.files / seconds_of(read)


def remove_tree(c, s):
    ensure_tree(c, s)

    def remove():
        host.run("rm", "-r", tree(c))
        sync_filesystem(c.root)
    return s.files / seconds_of(remove)


# ------------------------------------------------------------------ one large directory

def directory_costs(c, count):
    """Microseconds per entry to create, look up (cold), list (cold) and delete `count` entries of one directory."""
    path = os.path.join(c.root, f"entries-{count}")
    os.mkdir(path)
    order = list(range(count))
    random.Random(6).shuffle(order)

    def create():
        for n in order:
            os.close(os.open(f"{path}/entry-{n:07d}", os.O_CREAT | os.O_WRONLY, 0o644))
        sync_filesystem(c.root)

    def look_up():
        for n in order[:10_000]:
            os.stat(f"{path}/entry-{n:07d}")

    def delete():
        for n in order:
            os.unlink(f"{path}/entry-{n:07d}")
        os.rmdir(path)
        sync_filesystem(c.root)

    created = seconds_of(create) / count
    c.cold()
    found = seconds_of(look_up) / min(count, 10_000)
    c.cold()
    listed = seconds_of(lambda: len(os.listdir(path))) / count
    deleted = seconds_of(delete) / count
    return {"create": created * 1e6, "lookup": found * 1e6, "list": listed * 1e6, "delete": deleted * 1e6}


def large_directory(phase):
    """The cost per entry of the large directory over that of the small one; both are measured by the first phase."""
    def measure(c, s):
        if phase == "create":
            small = directory_costs(c, s.small_entries)
            large = directory_costs(c, s.large_entries)
            c.costs = {p: (small[p], large[p]) for p in small}
        small, large = c.costs[phase]
        return large / small
    return measure


# ------------------------------------------------------------------ the rest

def mount_time(c, s):
    times = []
    for _ in range(5):
        c.unmount()
        times.append(seconds_of(c.mount))
    return sorted(times)[2] * 1000


def format_time(c, s):
    """1 TiB: a sparse file, for which every contender that formats an image is asked."""
    own, image = c.image, os.path.join(c.directory, "tebibyte")
    c.unmount()
    with open(image, "wb") as file:
        file.truncate(1 << 40)
    c.image = image
    try:
        return seconds_of(c.format) * 1000
    finally:
        c.image = own
        os.unlink(image)
        c.mount()


def memory(c, s):
    """The highest value of one daemon that has done some of everything since it was mounted."""
    ensure_big(c, s)
    overwrite(c, s)
    read_big(c)
    random_write(c, s)
    sync_writes(16)(c, s)
    if c.kind != "ceiling":
        extract(c, s)
        remove_tree(c, s)
    return host.resident_mib(c.daemons(), "VmHWM")


def cpu(action):
    def measure(c, s):
        pids = c.daemons()
        before = host.cpu_seconds(pids)
        if action == "write":
            overwrite(c, s)
        else:
            ensure_big(c, s)
            c.cold()
            pids, before = c.daemons(), 0.0
            before = host.cpu_seconds(pids)
            read_big(c)
        return (host.cpu_seconds(pids) - before) / (s.file_mib / 1024)
    return measure


def recovery(c, s):
    """Milliseconds of a mount after SIGKILL with as much in the journal as this load leaves, per 256 MiB of journal."""
    c.unmount()
    c.format("--journal-size", "256M")
    c.mount()
    write_big(c, s, os.O_CREAT)
    r = random.Random(9)
    f = os.open(big(c), os.O_WRONLY)
    for _ in range(180):
        os.pwrite(f, s.pattern, r.randrange(s.file_mib) * MIB)
        os.fsync(f)
    os.close(f)
    pids = c.daemons()
    host.end(pids)
    host.wait_gone(pids)
    host.run("umount", "-l", c.root, check=False)
    host.detach(c.image)
    host.drop_caches()
    taken = seconds_of(c.mount) * 1000
    c.unmount()
    c.format()
    c.mount()
    return taken


def space(c, s):
    """Per cent of the device, journal apart, that is not there for data and metadata."""
    info = os.statvfs(c.root)
    journal = 64 * MIB
    return 100 * (1 - info.f_blocks * info.f_frsize / (c.size - journal))


def hash_gib():
    """GiB/s of HMAC-SHA-256 over 4 KiB on one core: the library that .NET uses."""
    text = host.run("openssl", "speed", "-seconds", "2", "-bytes", "4096", "-hmac", "sha256", check=False)
    line = next((l for l in text.splitlines() if l.lower().startswith("hmac(sha256)")), "")
    return float(line.split()[-1].rstrip("k")) * 1000 / (1 << 30) if line else 0.0


def copy_gib():
    source, target = bytearray(256 * MIB), bytearray(256 * MIB)
    target[:] = source
    return 0.25 / seconds_of(lambda: target.__setitem__(slice(None), source))


DISK = ("kernel", "peer", "ours")
DAEMON = ("peer", "ceiling", "ours")
ROWS = [
    Row("mount", "mount of an empty volume", "ms", "lower", mount_time, DISK, 1),
    Row("space", "space taken by structure, journal apart", "%", "lower", space, ("ours",), 2),
    Row("seqwrite", "sequential write of new data, 1 MiB, fsync at the end", "MiB/s", "higher", sequential_write),
    Row("overwrite", "sequential overwrite, 1 MiB, fsync at the end", "MiB/s", "higher", overwrite),
    Row("readcold", "sequential read, cold", "MiB/s", "higher", read_cold),
    Row("readwarm", "sequential read, warm", "MiB/s", "higher", read_warm),
    Row("randread1", "random read 4 KiB, cold, 1 reader", "IOPS", "higher", random_read(1)),
    Row("randread8", "random read 4 KiB, cold, 8 readers", "IOPS", "higher", random_read(8)),
    Row("randwrite", "random write 4 KiB, fsync at the end", "IOPS", "higher", random_write),
    Row("fsync1", "random write 4 KiB, fsync each, 1 writer", "IOPS", "higher", sync_writes(1)),
    Row("fsync16", "random write 4 KiB, fsync each, 16 writers", "IOPS", "higher", sync_writes(16)),
    Row("untar", "tar -x of small files, then sync", "files/s", "higher", extract, DISK),
    Row("liststat", "list and stat the tree, cold", "files/s", "higher", list_and_stat, DISK),
    Row("readtree", "read the tree, cold", "files/s", "higher", read_tree, DISK),
    Row("remove", "remove the tree, then sync", "files/s", "higher", remove_tree, DISK),
    Row("dircreate", "large directory against small: create, per entry", "times", "lower", large_directory("create"), DISK, 2),
    Row("dirlookup", "large directory against small: lookup, cold", "times", "lower", large_directory("lookup"), DISK, 2),
    Row("dirlist", "large directory against small: list, cold", "times", "lower", large_directory("list"), DISK, 2),
    Row("dirdelete", "large directory against small: delete", "times", "lower", large_directory("delete"), DISK, 2),
    Row("cpuwrite", "processor time of the daemon, sequential overwrite", "s/GiB", "lower", cpu("write"), DAEMON, 2),
    Row("cpuread", "processor time of the daemon, sequential read, cold", "s/GiB", "lower", cpu("read"), DAEMON, 2),
    Row("memory", "resident memory of the daemon, highest", "MiB", "lower", memory, DAEMON),
    Row("format", "format of 1 TiB", "ms", "lower", format_time, ("kernel", "ours"), 1),
    Row("recovery", "mount after SIGKILL, journal of 256 MiB", "ms", "lower", recovery, ("ours",)),
]
