#!/usr/bin/env python3
"""Judges what a crash left of save_app.py: the file is whole, of some version, and not older than the last one that was
acknowledged (the careless program acknowledges none, so any whole version will do)."""
import os
import sys

path = os.path.join(sys.argv[1], "config")
with open(os.environ["CRASHTEST_STDOUT"], encoding="utf-8") as printed:
    saved = [int(line.split()[1]) for line in printed if line.startswith("saved") and line.endswith("\n")]
if not os.path.exists(path):
    sys.exit(f"config is missing, version {saved[-1]} was acknowledged" if saved else 0)
with open(path, encoding="latin-1") as file:
    lines = file.read().split("\n")
version = lines[0].removeprefix("version=")
whole = [f"version={version}"] + [f"option = value of version {version}"] * 40 + ["end", ""]
if lines != whole:
    sys.exit("config is empty" if lines == [""] else "config is damaged")
if saved and int(version) < saved[-1]:
    sys.exit(f"config has version {version}, version {saved[-1]} was acknowledged")
