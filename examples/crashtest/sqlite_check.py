#!/usr/bin/env python3
"""Judges what a crash left of sqlite_app.py: sqlite_check.py DIRECTORY.

The database must be sound, transactions whole, and every acknowledged one there: what the program had printed before the
crash is in $CRASHTEST_STDOUT.
"""
import os
import sqlite3
import sys

path = os.path.join(sys.argv[1], "app.db")
with open(os.environ["CRASHTEST_STDOUT"], encoding="utf-8") as printed:
    acknowledged = sum(line.startswith("committed") and line.endswith("\n") for line in printed)
if not os.path.exists(path):
    sys.exit(f"the database is missing, {acknowledged} commits were acknowledged" if acknowledged else 0)
try:
    db = sqlite3.connect(path)
    sound = db.execute("pragma integrity_check").fetchone()[0]
    tables = {name for (name,) in db.execute("select name from sqlite_master where type='table'")}
    rows = [{n for (n,) in db.execute(f"select n from {table}")} if table in tables else set() for table in ("credits", "debits")]
except sqlite3.DatabaseError as error:
    sys.exit(f"the database is damaged: {error}")
if sound != "ok":
    sys.exit(f"the database is damaged: {sound.splitlines()[0]}")
if rows[0] != rows[1]:
    sys.exit(f"half a transaction: {rows[0] ^ rows[1]}")
if len(rows[0]) < acknowledged:
    sys.exit(f"acknowledged commits are lost: {acknowledged} were acknowledged, {len(rows[0])} are there")
