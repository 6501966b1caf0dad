#!/usr/bin/env python3
"""Kills the daemon of a mount with SIGKILL at random moments under a load that syncs, and proves after each mount that
everything that was acknowledged is there.

usage: killing.py ROUNDS SEED PROGRAM IMAGE KEY DIRECTORY WORK

Three writers work in three directories of the volume. Each notes in WORK, which is on another filesystem, what it
begins and what is acknowledged: a fact is acknowledged when the fsync, fdatasync, syncfs or O_SYNC write that covers it
has returned. After the kill the volume is mounted again, and each directory is compared with the facts: the last begun
operation may or may not have happened, all others must have. What is found is where the next round starts, so that each
round also proves those before it. Every eighth mount is killed, too, while it replays.
"""
import ctypes, errno, json, mmap, os, random, signal, subprocess, sys, time, traceback

WRITERS = 3
MOST_FILES = 36
libc = ctypes.CDLL(None, use_errno=True)


def body(seed, size):
    return random.Random(seed).randbytes(size)


def sync_path(path):
    f = os.open(path, os.O_RDONLY)
    try:
        os.fsync(f)
    finally:
        os.close(f)


def write_all(f, data, piece=50000):
    done = 0
    while done < len(data):
        done += os.write(f, data[done:done + piece])


def exchange(a, b):
    if libc.renameat2(-100, os.fsencode(a), -100, os.fsencode(b), 2) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def punch(f, at, size):
    if libc.fallocate(f, 3, ctypes.c_long(at), ctypes.c_long(size)) != 0:
        raise OSError(ctypes.get_errno(), "fallocate")


class State:
    """Names of a directory, and the inodes behind them: content and one attribute."""

    def __init__(self):
        self.names, self.inodes, self.next = {}, {}, 1

    def copy(self):
        other = State()
        other.names, other.inodes, other.next = dict(self.names), {k: dict(v) for k, v in self.inodes.items()}, self.next
        return other

    def file(self, name):
        return self.inodes[self.names[name]]

    def size(self, name):
        return len(self.file(name)["data"])

    def apply(self, fact):
        kind, name = fact[0], fact[1]
        if kind in ("file", "replace"):
            self.inodes[self.next] = {"data": body(fact[3], fact[2]), "attr": None}
            self.names[name] = self.next
            self.next += 1
        elif kind == "many":
            for n, size, seed in fact[2]:
                self.apply(("file", n, size, seed))
        elif kind in ("over", "map"):
            f, at, data = self.file(name), fact[2], body(fact[4], fact[3])
            f["data"] = f["data"][:at] + data + f["data"][at + len(data):]
        elif kind == "size":
            f = self.file(name)
            f["data"] = f["data"][:fact[2]].ljust(fact[2], b"\0")
        elif kind == "punch":
            f, at = self.file(name), fact[2]
            hole = bytes(max(0, min(fact[3], len(f["data"]) - at)))
            f["data"] = f["data"][:at] + hole + f["data"][at + len(hole):]
        elif kind == "attr":
            self.file(name)["attr"] = fact[2]
        elif kind == "move":
            self.names[fact[2]] = self.names.pop(name)
        elif kind == "swap":
            self.names[name], self.names[fact[2]] = self.names[fact[2]], self.names[name]
        elif kind == "link":
            self.names[fact[2]] = self.names[name]
        elif kind == "gone":
            del self.names[name]
        else:
            raise AssertionError(kind)

    @staticmethod
    def read(base):
        state, seen = State(), {}
        for name in os.listdir(base):
            path = f"{base}/{name}"
            number = os.stat(path).st_ino
            if number not in seen:
                with open(path, "rb") as f:
                    data = f.read()
                try:
                    attr = os.getxattr(path, "user.fact").decode()
                except OSError as e:
                    if e.errno != errno.ENODATA:
                        raise
                    attr = None
                seen[number] = state.next
                state.inodes[state.next] = {"data": data, "attr": attr}
                state.next += 1
            state.names[name] = seen[number]
        return state


class Writer:
    """One load: for ever, until the daemon is gone."""

    def __init__(self, base, log, state, seed):
        self.base, self.state, self.r, self.number, self.seed = base, state, random.Random(seed), 0, seed
        self.log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC)

    def say(self, what, *fact):
        os.write(self.log, (json.dumps([what, *fact]) + "\n").encode())

    def path(self, name):
        return f"{self.base}/{name}"

    def new(self, letter="f"):
        self.number += 1
        return f"{letter}{self.seed}n{self.number}"

    def plan(self):
        r, names = self.r, sorted(self.state.names)
        size = r.choice([0, 10, 700, 4096, 5000, 70000, r.randrange(1, 200000)])
        seed = r.randrange(1 << 40)
        if len(names) < 4 or (len(names) < MOST_FILES and r.random() < .35):
            if r.random() < .2:
                return ("many", "", [(self.new("m"), r.randrange(1, 9000), r.randrange(1 << 40)) for _ in range(6)])
            return ("file", self.new(), size, seed)
        name = r.choice(names)
        if len(names) >= MOST_FILES:
            return ("gone", name)
        length = self.state.size(name)
        choice = r.choice(["over", "over", "over", "map", "size", "punch", "attr", "move", "swap", "link", "gone", "replace"])
        if choice in ("over", "map", "punch"):
            if length == 0:
                return ("gone", name)
            part = min(length, r.randrange(1, 20000))
            at = r.randrange(length - part + 1)
            return (choice, name, at, part) if choice == "punch" else (choice, name, at, part, seed)
        if choice == "size":
            return ("size", name, r.randrange(0, 100000))
        if choice == "attr":
            return ("attr", name, "v%d" % r.randrange(1 << 30))
        if choice == "swap":
            other = r.choice([n for n in names if n != name])
            return ("swap", name, other) if self.state.names[name] != self.state.names[other] else ("gone", name)
        if choice in ("move", "link"):
            return (choice, name, self.new())
        return ("replace", name, size, seed) if choice == "replace" else ("gone", name)

    def do(self, fact):
        kind, name, r = fact[0], fact[1], self.r
        path = self.path(name)
        if kind == "file":
            synchronous = os.O_SYNC if r.random() < .3 else 0
            f = os.open(path, os.O_CREAT | os.O_WRONLY | synchronous)
            write_all(f, body(fact[3], fact[2]))
            if not synchronous:
                os.fsync(f)
            os.close(f)
            sync_path(self.base)
        elif kind == "many":
            for n, size, seed in fact[2]:
                f = os.open(self.path(n), os.O_CREAT | os.O_WRONLY)
                write_all(f, body(seed, size))
                os.close(f)
            f = os.open(self.base, os.O_RDONLY)
            if libc.syncfs(f) != 0:
                raise OSError(ctypes.get_errno(), "syncfs")
            os.close(f)
        elif kind == "over":
            f = os.open(path, os.O_WRONLY)
            os.pwrite(f, body(fact[4], fact[3]), fact[2])
            os.fdatasync(f)
            os.close(f)
        elif kind == "map":
            f = os.open(path, os.O_RDWR)
            with mmap.mmap(f, os.fstat(f).st_size) as m:
                m[fact[2]:fact[2] + fact[3]] = body(fact[4], fact[3])
                m.flush()
            os.close(f)
        elif kind in ("size", "punch"):
            f = os.open(path, os.O_WRONLY)
            if kind == "size":
                os.ftruncate(f, fact[2])
            else:
                punch(f, fact[2], fact[3])
            os.fsync(f)
            os.close(f)
        elif kind == "attr":
            os.setxattr(path, "user.fact", fact[2].encode())
            sync_path(path)
        elif kind == "replace":
            temporary = os.path.join(os.path.dirname(self.base), "t" + os.path.basename(self.base))
            f = os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
            write_all(f, body(fact[3], fact[2]))
            os.fsync(f)
            os.close(f)
            os.rename(temporary, path)
            sync_path(self.base)
        else:
            if kind == "move":
                os.rename(path, self.path(fact[2]))
            elif kind == "swap":
                exchange(path, self.path(fact[2]))
            elif kind == "link":
                os.link(path, self.path(fact[2]))
            elif kind == "gone":
                os.unlink(path)
            sync_path(self.base)

    def run(self):
        while True:
            fact = self.plan()
            self.say("begin", *fact)
            self.do(fact)
            self.say("done", *fact)
            self.state.apply(fact)
            if self.r.random() < .2:  # work that nobody waits for
                with open(self.path("../noise%d" % self.r.randrange(50)), "wb") as f:
                    f.write(bytes(self.r.randrange(30000)))


def judge(before, log, found):
    """Problems, and how many operations were acknowledged."""
    state, begun, count = before, None, 0
    for text in open(log):
        if not text.endswith("\n"):
            break
        what, *fact = json.loads(text)
        if what == "begin":
            begun = fact
        else:
            state.apply(fact)
            begun, count = None, count + 1
    after = state.copy()
    touched, uncertain = set(), set()
    if begun:
        after.apply(begun)
        touched = {n for n in begun[1:3] if isinstance(n, str) and n}
        if begun[0] == "many":
            touched = {n for n, _, _ in begun[2]}
        if begun[0] in ("over", "map", "size", "punch", "attr"):
            uncertain = {n for n in state.names if state.names[n] == state.names[begun[1]]}
    problems = []
    for name in sorted(set(state.names) | set(found.names)):
        options = [s.file(name) for s in (state, after) if name in s.names]
        absent = name not in state.names or name not in after.names
        if name not in found.names:
            if not absent:
                problems.append(f"acknowledged file {name} is lost")
            continue
        got = found.file(name)
        if not options:
            problems.append(f"file {name} exists, but its removal was acknowledged or it never was")
        elif got in options:
            continue
        elif begun and begun[0] in ("file", "many") and name in touched:
            continue  # created and not yet synced: any part of it
        elif name in uncertain and begun[0] in ("over", "map") and got["attr"] == options[0]["attr"]:
            a, b = options[0]["data"], options[-1]["data"]
            if len(got["data"]) != len(a) or any(g not in (x, y) for g, x, y in zip(got["data"], a, b)):
                problems.append(f"{name}: a byte is neither old nor new")
        else:
            a, b = got["data"], options[0]["data"]
            at = next((i for i in range(min(len(a), len(b))) if a[i] != b[i]), min(len(a), len(b)))
            problems.append(f"acknowledged content of {name} differs at byte {at}: {len(a)} bytes, acknowledged {len(b)}; attribute {got['attr']}, acknowledged {options[0]['attr']}; in flight: {begun}")
    if begun and begun[0] == "swap" and {begun[1], begun[2]} <= set(found.names):
        pair = [found.file(begun[1]), found.file(begun[2])]
        if pair not in [[s.file(begun[1]), s.file(begun[2])] for s in (state, after)]:
            problems.append(f"exchange of {begun[1]} and {begun[2]} is half done")
    if begun and begun[0] == "move" and (begun[1] in found.names) == (begun[2] in found.names):
        problems.append(f"rename of {begun[1]} is half done")
    groups = {}
    for name, inode in found.names.items():
        groups.setdefault(inode, set()).add(name)
    for name, inode in state.names.items():
        if name in found.names and name not in touched and found.file(name) == state.file(name):
            mates = {n for n in state.names if state.names[n] == inode} - touched
            if not mates <= groups[found.names[name]]:
                problems.append(f"{name} is not the same file as {sorted(mates)} any more")
    return problems, count


class Volume:
    def __init__(self, program, image, key, directory, work):
        self.program, self.image, self.key, self.directory, self.work = program, image, key, directory, work
        self.log = open(f"{work}/mount.log", "ab")

    def daemons(self):
        found = []
        for pid in os.listdir("/proc"):
            if pid.isdigit():
                try:
                    words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
                except OSError:
                    continue
                if b"serve-internal" in words[:3] and os.fsencode(self.image) in words:
                    found.append(int(pid))
        return found

    def command(self, options):
        return [self.program, "mount", self.image, self.directory, "-o", f"keyfile={self.key},log={self.work}/daemon.log,{options}"]

    def mount(self, options):
        run = subprocess.run(self.command(options), stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if run.returncode != 0:
            raise SystemExit(f"the mount after a kill was refused ({run.returncode}): {run.stderr}")
        return run.stderr

    def mount_and_kill(self, options, delay):
        """A mount that is killed while it replays; whoever did not see it mounted has to look."""
        helper = subprocess.Popen(self.command(options), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        self.kill()
        helper.wait()
        self.kill()

    def kill(self):
        # A process that waits for the disk ends when the disk has answered, which takes long on a busy machine; and a
        # mount that is just starting brings a daemon after the first look.
        deadline = time.monotonic() + 120
        while alive := self.daemons():
            if time.monotonic() > deadline:
                raise SystemExit(f"a killed daemon still runs: {[self.waits_for(pid) for pid in alive]}")
            for pid in alive:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.005)
        subprocess.run(["umount", "-l", self.directory], stderr=subprocess.DEVNULL)

    @staticmethod
    def waits_for(pid):
        found = []
        for task in os.listdir(f"/proc/{pid}/task"):
            try:
                stack = open(f"/proc/{pid}/task/{task}/stack").read().split("\n")
                found.append(" < ".join(line.split(" ")[-1].split("+")[0] for line in stack[:6] if line))
            except OSError:
                continue
        return found

    def check(self):
        run = subprocess.run([self.program, "fsck", "-n", "--key-file", self.key, self.image], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if run.returncode != 0:
            raise SystemExit(f"the checker complains ({run.returncode}): {run.stdout}{run.stderr}")


def main():
    rounds, seed = int(sys.argv[1]), int(sys.argv[2])
    volume = Volume(*sys.argv[3:8])
    r = random.Random(seed)
    total, replayed = 0, 0
    volume.mount("data=journal")
    bases = [f"{volume.directory}/w{n}" for n in range(WRITERS)]
    for base in bases:
        os.makedirs(base, exist_ok=True)
    sync_path(volume.directory)
    states = [State.read(base) for base in bases]
    for number in range(1, rounds + 1):
        writers, killing = [], mmap.mmap(-1, 1)
        for n, base in enumerate(bases):
            pid = os.fork()
            if pid == 0:
                try:
                    Writer(base, f"{volume.work}/ack.{n}", states[n], seed * 100000 + number * 10 + n).run()
                except BaseException as e:
                    # What a dead daemon leaves behind; anything else, and anything before the kill, is a finding.
                    expected = isinstance(e, OSError) and e.errno in (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO)
                    if killing[0] and expected:
                        os._exit(0)
                    traceback.print_exc(file=sys.stdout)
                    sys.stdout.flush()
                    os._exit(1)
            writers.append(pid)
        time.sleep(r.uniform(0.02, 0.5))
        alive = volume.daemons()
        if len(alive) != 1:
            raise SystemExit(f"round {number} (seed {seed}): {len(alive)} daemons before the kill")
        killing[0] = 1
        for pid in alive:
            os.kill(pid, signal.SIGKILL)
        for pid in writers:
            status = os.waitpid(pid, 0)[1]
            # A page of a mapping that the dead daemon cannot give any more is SIGBUS.
            if status != 0 and not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGBUS):
                raise SystemExit(f"round {number} (seed {seed}): a writer failed, status {status}")
        volume.kill()
        if number % 10 == 0:
            volume.check()
        options = "data=auto" if number % 3 == 0 else "data=journal"
        if number % 8 == 0:
            volume.mount_and_kill(options, r.uniform(0.001, 0.06))
        replayed += "replayed" in volume.mount(options)
        for n, base in enumerate(bases):
            found = State.read(base)
            problems, count = judge(states[n], f"{volume.work}/ack.{n}", found)
            if problems:
                raise SystemExit(f"round {number} (seed {seed}), writer {n}:\n" + "\n".join(problems[:10]))
            total += count
            states[n] = found
        if number % 100 == 0:
            print(f"{number} rounds, {total} acknowledged operations hold", flush=True)
    volume.kill()
    volume.check()
    print(f"{rounds} rounds, {total} acknowledged operations hold, {replayed} mounts said what they replayed")
    if total < rounds * 5:
        raise SystemExit("the load was too weak to prove anything")
    if replayed < rounds * 0.9:
        raise SystemExit("mounts after a kill did not say that they replayed")


main()
