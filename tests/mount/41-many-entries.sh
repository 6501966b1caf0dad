#!/bin/bash
# One directory with very many entries.
. "$(dirname "$0")/lib.bash"
need python3
COUNT=$(full_or_fast 1000000 100000)
start many 2500M
D=$(dir_of many)

create() {
  mkdir "$D/many"; cd "$D/many"; python3 - "$COUNT" <<'E'
import os, sys
for n in range(int(sys.argv[1])): os.close(os.open(f"entry-{n:07d}", os.O_CREAT | os.O_WRONLY))
E
}
it "A directory takes $COUNT entries" create

list() {
  remount_volume many; cd "$D/many"; python3 - "$COUNT" <<'E'
import os, random, sys
count = int(sys.argv[1]); names = os.listdir(".")
assert len(names) == count and len(set(names)) == count, f"{len(names)} names, {len(set(names))} distinct"
assert set(names) == {f"entry-{n:07d}" for n in range(count)}
r = random.Random(3)
for n in (r.randrange(count) for _ in range(20000)): os.stat(f"entry-{n:07d}")
for n in range(1000):
    try: os.stat(f"missing-{n}")
    except FileNotFoundError: pass
    else: raise AssertionError("found what is not there")
E
}
it "After a remount each entry is listed exactly once and is found by name" list

rename_and_delete() {
  cd "$D/many"; python3 - "$COUNT" <<'E'
import os, sys
count = int(sys.argv[1])
for n in range(0, count, 2): os.unlink(f"entry-{n:07d}")
for n in range(1, count, 200): os.rename(f"entry-{n:07d}", f"renamed-{n:07d}")
names = set(os.listdir("."))
assert len(names) == count // 2
assert names == {f"renamed-{n:07d}" if n % 200 == 1 else f"entry-{n:07d}" for n in range(1, count, 2)}
E
}
it "Every second entry is deleted and some are renamed, and the rest is right" rename_and_delete
remove() { rm -r "$D/many"; [ ! -e "$D/many" ]; }
it "The directory with all that is left in it is removed" remove
finish many
