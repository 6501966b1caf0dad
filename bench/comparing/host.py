"""What the measurements need of the host: commands, processes, caches, loop devices, packages."""
import os
import shutil
import signal
import subprocess
import time

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")

# command -> Debian package
PACKAGES = {
    "fio": "fio", "fuse2fs": "fuse2fs", "gocryptfs": "gocryptfs", "securefs": "securefs", "mkfs.ext4": "e2fsprogs",
    "losetup": "mount", "openssl": "openssl", "tar": "tar",
}


class CommandError(Exception):
    """A command failed; the text says which and why."""


def run(*command, timeout=900, check=True, **options):
    """Runs a command; returns its output; raises CommandError with the last line of what it said."""
    options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, **options)
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise CommandError(f"{' '.join(command[:4])} ...: exit {done.returncode}: {said[-1] if said else 'no message'}")
    return done.stdout.decode(errors="replace")


def install_missing(commands):
    """Installs the Debian packages of missing commands; returns the commands that stay missing."""
    missing = [c for c in commands if not shutil.which(c)]
    if missing and shutil.which("apt-get"):
        packages = sorted({PACKAGES[c] for c in missing})
        print(f"installing {' '.join(packages)}", flush=True)
        environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        for arguments in (["install", "-y", "-q"], ["update", "-q"], ["install", "-y", "-q"]):
            tail = packages if arguments[0] == "install" else []
            if subprocess.run(["apt-get", *arguments, *tail], env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0 and tail:
                break
    return [c for c in missing if not shutil.which(c)]


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3")


def is_mounted(path):
    with open("/proc/self/mountinfo") as file:
        return any(line.split(" ")[4] == path for line in file)


def attach(image):
    """A loop device over the image that bypasses the page cache, as the other contenders' devices do."""
    device = run("losetup", "--direct-io=on", "--show", "-f", image).strip()
    return device


def detach(image):
    for device in run("losetup", "-n", "-O", "NAME", "-j", image, check=False).split():
        run("losetup", "-d", device, check=False)


def processes_with(argument):
    """Ids of living processes that have exactly this argument."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                if argument.encode() in file.read().split(b"\0"):
                    found.append(int(name))
        except OSError:
            pass
    return found


def wait_gone(pids, seconds=60):
    deadline = time.monotonic() + seconds
    for pid in pids:
        while time.monotonic() < deadline:
            try:
                with open(f"/proc/{pid}/stat") as file:
                    if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                        break
            except OSError:
                break
            time.sleep(0.01)
        else:
            raise CommandError(f"process {pid} still runs {seconds} s after the unmount")


def end(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def resident_mib(pids, field="VmRSS"):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status") as file:
            for line in file:
                if line.startswith(field + ":"):
                    total += int(line.split()[1])
    return total / 1024


def cpu_seconds(pids):
    total = 0.0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / TICKS
    return total


def start(*command, log):
    """Starts a server that stays in the foreground."""
    with open(log, "ab") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)


def wait_until(condition, message, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise CommandError(message)
        time.sleep(0.005)


def description():
    """The machine, for the head of a report. Nothing in it names the host."""
    model = next((l.split(":", 1)[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "unknown")
    flags = next((l for l in open("/proc/cpuinfo") if l.startswith("flags")), "")
    memory = int(open("/proc/meminfo").readline().split()[1]) // 1024
    system = next((l.split("=", 1)[1].strip().strip('"') for l in open("/etc/os-release") if l.startswith("PRETTY_NAME")), "Linux")
    return {
        "processor": model, "cores": os.cpu_count(), "sha_instructions": "sha_ni" in flags or "sha2" in flags,
        "memory_mib": memory, "kernel": os.uname().release.split("-")[0], "system": system,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }
