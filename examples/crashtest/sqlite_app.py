#!/usr/bin/env python3
"""Commits transactions to an SQLite database and says so: sqlite_app.py JOURNAL_MODE SYNCHRONOUS [COUNT].

Each transaction inserts one row into each of two tables, so half a transaction shows.
"""
import sqlite3
import sys

if len(sys.argv) < 3:
    sys.exit(__doc__.strip())
mode, synchronous, count = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 8
db = sqlite3.connect("app.db", isolation_level=None)
db.execute(f"pragma journal_mode={mode}")
db.execute(f"pragma synchronous={synchronous}")
db.execute("create table if not exists credits(n integer primary key, body text)")
db.execute("create table if not exists debits(n integer primary key, body text)")
for n in range(1, count + 1):
    db.execute("begin immediate")
    db.execute("insert into credits values(?, ?)", (n, f"credit {n} " * 20))
    db.execute("insert into debits values(?, ?)", (n, f"debit {n} " * 20))
    db.execute("commit")
    print("committed", n, flush=True)
