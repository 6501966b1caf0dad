"""The filesystems that are compared. Each formats, mounts and unmounts itself below its own directory; all keep their
bytes on the same disk, those on an image in a file of the same size that was written once before."""
import os
import secrets
import shutil

import host


class Contender:
    """One filesystem. `kind` is kernel, peer, ceiling or ours."""
    name = kind = ""
    needs = ()
    on_image = True

    def __init__(self, directory, size):
        self.directory = os.path.join(directory, self.name)
        self.size = size
        self.image = os.path.join(self.directory, "image")
        self.root = os.path.join(self.directory, "mnt")
        os.makedirs(self.root)

    def prepare(self):
        """Writes the image once in full, so that no contender pays for the host's first allocation of its blocks."""
        if not self.on_image:
            return
        zeros = bytes(1 << 20)
        with open(self.image, "wb", buffering=0) as file:
            os.posix_fallocate(file.fileno(), 0, self.size)
            for _ in range(self.size >> 20):
                file.write(zeros)
            os.fsync(file.fileno())

    def format(self):
        raise NotImplementedError

    def mount(self):
        raise NotImplementedError

    def daemons(self):
        return []

    def unmount(self):
        pids = self.daemons()
        if host.is_mounted(self.root):
            host.run("umount", self.root)
        host.wait_gone(pids)
        if self.on_image:
            host.detach(self.image)

    def cold(self):
        """Nothing of the volume stays in memory, neither in the kernel nor in a daemon."""
        self.unmount()
        host.drop_caches()
        self.mount()

    def clean(self):
        """After a failure as well: nothing mounted, attached or running."""
        pids = self.daemons()
        if host.is_mounted(self.root):
            host.run("umount", self.root, check=False)
        if host.is_mounted(self.root):
            host.run("umount", "-l", self.root, check=False)
        try:
            host.wait_gone(pids, 5)
        except host.CommandError:
            host.end(pids)
        if self.on_image:
            host.detach(self.image)


class Ext4(Contender):
    kind = "kernel"
    needs = ("mkfs.ext4", "losetup")
    mode = ""

    def format(self):
        host.run("mkfs.ext4", "-q", "-F", "-b", "4096", self.image)

    def mount(self):
        device = host.attach(self.image)
        host.run("mount", "-t", "ext4", "-o", f"data={self.mode}", device, self.root)


class Ext4Ordered(Ext4):
    name = "ext4-ordered"
    mode = "ordered"


class Ext4Journal(Ext4):
    name = "ext4-journal"
    mode = "journal"


class Fuse2fs(Contender):
    name = "fuse2fs"
    kind = "peer"
    needs = ("mkfs.ext4", "fuse2fs")

    def format(self):
        host.run("mkfs.ext4", "-q", "-F", "-b", "4096", self.image)

    def mount(self):
        host.run("fuse2fs", self.image, self.root, "-o", "fakeroot,allow_other")

    def daemons(self):
        return host.processes_with(self.image)


class Gocryptfs(Contender):
    name = "gocryptfs"
    kind = "peer"
    needs = ("gocryptfs",)
    on_image = False

    def format(self):
        shutil.rmtree(os.path.join(self.directory, "cipher"), ignore_errors=True)
        os.makedirs(os.path.join(self.directory, "cipher"))
        secret = os.path.join(self.directory, "secret")
        with open(secret, "w") as file:
            file.write(secrets.token_hex(16))
        # A cheap password hash: the time to mount shall show the filesystem, not scrypt.
        host.run("gocryptfs", "-q", "-init", "-scryptn", "10", "-passfile", secret, os.path.join(self.directory, "cipher"))

    def mount(self):
        host.run("gocryptfs", "-q", "-passfile", os.path.join(self.directory, "secret"), "-allow_other",
                 os.path.join(self.directory, "cipher"), self.root)

    def daemons(self):
        return host.processes_with(os.path.join(self.directory, "cipher"))


class Securefs(Contender):
    name = "securefs"
    kind = "peer"
    needs = ("securefs",)
    on_image = False

    def format(self):
        shutil.rmtree(os.path.join(self.directory, "cipher"), ignore_errors=True)
        os.makedirs(os.path.join(self.directory, "cipher"))
        secret = os.path.join(self.directory, "keyfile")
        with open(secret, "wb") as file:
            file.write(secrets.token_bytes(32))
        host.run("securefs", "create", "-r", "1", "--keyfile", secret, "--pass", "x", os.path.join(self.directory, "cipher"))

    def mount(self):
        host.run("securefs", "mount", "-b", "--log", os.path.join(self.directory, "log"), "--keyfile",
                 os.path.join(self.directory, "keyfile"), "--pass", "x", os.path.join(self.directory, "cipher"), self.root)
        host.wait_until(lambda: host.is_mounted(self.root), "securefs did not mount")

    def daemons(self):
        return host.processes_with(os.path.join(self.directory, "cipher"))


class Ceiling(Contender):
    """A server that answers from memory, throws writes away and does nothing else."""
    name = "ceiling"
    kind = "ceiling"
    on_image = False
    program = None

    def format(self):
        pass

    def mount(self):
        host.start(self.program, self.root, "--size", "0", log=os.path.join(self.directory, "log"))
        host.wait_until(lambda: host.is_mounted(self.root), "the null server did not mount")

    def cold(self):
        """It keeps nothing across mounts and has no disk: only the kernel's caches can be cold."""
        host.drop_caches()

    def daemons(self):
        return host.processes_with(self.root)


class Ours(Contender):
    name = "integrityfs"
    kind = "ours"
    program = None
    options = ""

    def format(self, *arguments):
        if not os.path.exists(self.key):
            descriptor = os.open(self.key, os.O_WRONLY | os.O_CREAT, 0o600)
            os.write(descriptor, secrets.token_bytes(32))
            os.close(descriptor)
        host.run(self.program, "mkfs", "--key-file", self.key, "-f", *arguments, self.image)

    @property
    def key(self):
        return os.path.join(self.directory, "key")

    def mount(self):
        host.run(self.program, "mount", self.image, self.root, "-o",
                 f"keyfile={self.key},log={self.directory}/log" + self.options)

    def daemons(self):
        return host.processes_with(self.image)


class OursAuto(Ours):
    name = "integrityfs-auto"
    options = ",data=auto"


ALL = [Ext4Ordered, Ext4Journal, Fuse2fs, Gocryptfs, Securefs, Ceiling, Ours, OursAuto]
