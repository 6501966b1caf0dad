#!/usr/bin/env python3
"""Saves a configuration file again and again by writing a new one and renaming it over the old.

save_app.py right     fsync of the new file before the rename, fsync of the directory after it
save_app.py careless  no fsync: whether a crash finds old, new or nothing depends on the file system
save_app.py retry     as "right", but a failed fsync is tried again, as if that could bring the bytes back
"""
import os
import sys

if len(sys.argv) != 2 or sys.argv[1] not in ("right", "careless", "retry"):
    sys.exit(__doc__.strip())
way = sys.argv[1]


def sync(descriptor):
    try:
        os.fsync(descriptor)
    except OSError:
        if way != "retry":
            raise
        os.fsync(descriptor)


for version in range(1, 7):
    body = f"version={version}\n" + f"option = value of version {version}\n" * 40 + "end\n"
    descriptor = os.open("config.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(descriptor, body.encode())
    if way != "careless":
        sync(descriptor)
    os.close(descriptor)
    os.rename("config.new", "config")
    if way != "careless":
        directory = os.open(".", os.O_RDONLY)
        sync(directory)
        os.close(directory)
        print("saved", version, flush=True)
