#!/usr/bin/env python3
"""Prints one line for everything in a tree: type, mode, owner, link count, times, size, device, target, attributes, digest.

usage: manifest.py DIRECTORY [--no-links] [--no-mtime-of-root]

Two trees are equal when their manifests are. Hard links show by the first path that names the same inode.
"""
import hashlib
import os
import stat
import sys


def digest(path, size):
    hasher = hashlib.sha256()
    if size > 64 << 20 and os.stat(path).st_blocks * 512 < size // 4:
        # A sparse file is digested by its data ranges, or a terabyte of zeros would be read.
        with open(path, "rb") as file:
            offset = 0
            while True:
                try:
                    offset = os.lseek(file.fileno(), offset, os.SEEK_DATA)
                except OSError:
                    break
                data = os.pread(file.fileno(), 65536, offset)
                if data.strip(b"\0"):
                    hasher.update(f"{offset}:".encode() + data)
                offset += len(data)
        return hasher.hexdigest()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            hasher.update(chunk)
    return hasher.hexdigest()


def attributes(path):
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return ";".join(f"{n}={os.getxattr(path, n, follow_symlinks=False).hex()}" for n in names)


def line(root, path, first_names):
    info = os.lstat(path)
    name = os.path.relpath(path, root).encode("utf-8", "surrogateescape").decode("latin-1")
    kind = stat.S_IFMT(info.st_mode)
    fields = [repr(name), oct(info.st_mode), f"{info.st_uid}:{info.st_gid}", str(info.st_mtime_ns), attributes(path)]
    if kind != stat.S_IFDIR:
        fields.append(f"links={info.st_nlink}")
        if info.st_nlink > 1:
            fields.append("as=" + repr(first_names.setdefault(info.st_ino, name)))
    if kind == stat.S_IFREG:
        fields += [str(info.st_size), digest(path, info.st_size)]
    elif kind == stat.S_IFLNK:
        fields.append(repr(os.readlink(path)))
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        fields.append(f"{os.major(info.st_rdev)}:{os.minor(info.st_rdev)}")
    return " ".join(fields)


def main():
    root = sys.argv[1]
    first_names = {}
    for directory, directories, files in os.walk(root):
        directories.sort()
        if directory == root and "lost+found" in directories:
            directories.remove("lost+found")
        if directory != root:
            print(line(root, directory, first_names))
        links = [d for d in directories if os.path.islink(os.path.join(directory, d))]
        for name in sorted(files + links):
            print(line(root, os.path.join(directory, name), first_names))


main()
