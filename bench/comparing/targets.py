"""The targets: for each row what IntegrityFs must reach, in terms of the other contenders' medians of the same run."""


class Verdict:
    def __init__(self, contender, row, target, needed, actual, reached):
        self.contender, self.row, self.target = contender, row, target
        self.needed, self.actual, self.reached = needed, actual, reached


def best(medians, row, names):
    values = [medians[n][row] for n in names if row in medians.get(n, {})]
    return max(values) if values else None


def judge(medians, peers, facts):
    """medians: contender -> row -> number. facts: hash and copy rates in GiB/s, file size. Returns verdicts."""
    verdicts = []

    def at_least(contender, row, target, needed):
        actual = medians.get(contender, {}).get(row)
        if actual is not None:
            verdicts.append(Verdict(contender, row, target, needed, actual, None if needed is None else actual >= needed))

    def at_most(contender, row, target, needed):
        actual = medians.get(contender, {}).get(row)
        if actual is not None:
            verdicts.append(Verdict(contender, row, target, needed, actual, None if needed is None else actual <= needed))

    def of(contender, row, factor=1.0):
        value = medians.get(contender, {}).get(row)
        return None if value is None else value * factor

    def peer(row, factor):
        value = best(medians, row, peers)
        return None if value is None else value * factor

    def lower_of(*values):
        values = [v for v in values if v is not None]
        return min(values) if values else None

    def path_of_ceiling(row):
        """The ceiling has no disk. Its round trip and the disk's, one after the other, are the best that any FUSE server
        over this disk can do: 1 / (1/ceiling + 1/ext4)."""
        ceiling, disk = of("ceiling", row), of("ext4-ordered", row)
        return None if ceiling is None or disk is None else 0.8 / (1 / ceiling + 1 / disk)

    for name in ("integrityfs", "integrityfs-auto"):
        if name not in medians:
            continue
        if name == "integrityfs":
            at_least(name, "seqwrite", "at least ext4 data=journal", of("ext4-journal", "seqwrite"))
        else:
            at_least(name, "seqwrite", "at least 0.9 of ext4 ordered", of("ext4-ordered", "seqwrite", 0.9))
        at_least(name, "seqwrite", "1.5 times the best FUSE peer", peer("seqwrite", 1.5))
        at_least(name, "overwrite", "at least 1.2 of ext4 data=journal", of("ext4-journal", "overwrite", 1.2))
        hash_limit = 0.9 * facts["hash_gib"] * 1024 * facts["lanes"]
        at_least(name, "readcold", "at least ext4, or 0.9 of hash rate x lanes", lower_of(of("ext4-ordered", "readcold"), hash_limit))
        at_least(name, "readwarm", "at least 0.95 of the FUSE ceiling", of("ceiling", "readwarm", 0.95))
        for row in ("randread1", "randread8"):
            at_least(name, row, "at least 0.8 of the FUSE ceiling's path on this disk", path_of_ceiling(row))
            at_least(name, row, "1.5 times the best FUSE peer", peer(row, 1.5))
        at_least(name, "randwrite", "2 times the best FUSE peer", peer("randwrite", 2))
        at_least(name, "randwrite", "at least ext4 data=journal", of("ext4-journal", "randwrite"))
        at_least(name, "fsync1", "2 times ext4 ordered", of("ext4-ordered", "fsync1", 2))
        at_least(name, "fsync1", "2 times the best FUSE peer", peer("fsync1", 2))
        at_least(name, "fsync16", "4 times its own 1 writer", of(name, "fsync1", 4))
        at_least(name, "untar", "at least 0.6 of ext4 ordered", of("ext4-ordered", "untar", 0.6))
        for row in ("untar", "liststat", "readtree", "remove"):
            at_least(name, row, "3 times the best FUSE peer", peer(row, 3))
        at_least(name, "liststat", "at least 0.5 of ext4 ordered", of("ext4-ordered", "liststat", 0.5))
        for row in ("dircreate", "dirlookup", "dirlist", "dirdelete"):
            at_most(name, row, "within 1.5 times the small directory's", 1.5)
        at_most(name, "mount", "under 150 ms", 150)
        at_most(name, "format", "under 200 ms", 200)
        at_most(name, "recovery", "under 1 s per 256 MiB of journal", 1000)
        at_most(name, "memory", "at most 64 MiB plus the cache of 128 MiB", 192)
        at_most(name, "space", "under 2.5 %", 2.5)
        # What must be hashed and copied per GiB: read, one HMAC and one copy out; write, one HMAC and two copies.
        per_read = 1 / facts["hash_gib"] + 1 / facts["copy_gib"] if facts["hash_gib"] else None
        per_write = 1 / facts["hash_gib"] + 2 / facts["copy_gib"] if facts["hash_gib"] else None
        at_most(name, "cpuread", "1.5 times hashing and copying", per_read and per_read * 1.5)
        at_most(name, "cpuwrite", "1.5 times hashing and copying", per_write and per_write * 1.5)
    return verdicts
