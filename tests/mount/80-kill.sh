#!/bin/bash
# kill -9 of the daemon under load that syncs. What was acknowledged before the kill is logged outside of the volume, so
# each round proves: every acknowledged fsync is there, whole, and the volume needs no repair.
#
# KILL_ROUNDS: number of rounds; default 30, 8 with FAST=1. Use 200 or 1000 for a soak.
. "$(dirname "$0")/lib.bash"
only_integrityfs
need python3
ROUNDS=${KILL_ROUNDS:-$(full_or_fast 30 8)}
start kill 256M
D=$(dir_of kill)

cat >"$WORK/writer.py" <<'E'
"""Writes and syncs for ever below DIRECTORY; appends to LOG only what is acknowledged. The log is on another filesystem.

Kinds of acknowledged facts, one JSON object per line:
  file NAME SIZE SEED     fsync of a new file, then fsync of its directory, returned
  over NAME AT SIZE SEED  fsync after an overwrite in the middle returned
  gone NAME               fsync of the directory after an unlink returned
  move OLD NEW            fsync of the directory after a rename returned
  size NAME SIZE          fsync after a truncation returned
"begin" lines come before the first step of an operation: such a fact may or may not hold afterwards.
"""
import json, os, random, sys
root, log_path, writer, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
r = random.Random(seed * 1000 + writer)
log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def say(*fact): os.write(log, (json.dumps(fact) + "\n").encode())
def body(seed, size): return random.Random(seed).randbytes(size)
def sync_directory():
    d = os.open(base, os.O_RDONLY)
    os.fsync(d); os.close(d)
base = f"{root}/w{writer}"
os.makedirs(base, exist_ok=True)
os.fsync(os.open(root, os.O_RDONLY))
mine, number = {}, 0
for name in os.listdir(base): os.unlink(f"{base}/{name}")
sync_directory()
say("begin", "clear"); say("clear")
while True:
    number += 1
    what = r.random()
    if what < .5 or len(mine) < 3:
        name, size, seed_ = f"s{seed}n{number}", r.choice([10, 700, 4096, 5000, 70000, r.randrange(1, 300000)]), r.randrange(1 << 40)
        say("begin", "file", name, size, seed_)
        f = os.open(f"{base}/{name}", os.O_CREAT | os.O_WRONLY)
        data = body(seed_, size); done = 0
        while done < size: done += os.write(f, data[done:done + 50000])
        os.fsync(f); os.close(f); sync_directory()
        say("file", name, size, seed_); mine[name] = size
    else:
        name = r.choice(sorted(mine))
        if what < .75:
            size = min(mine[name], r.randrange(1, 20000)); at = r.randrange(mine[name] - size + 1); seed_ = r.randrange(1 << 40)
            say("begin", "over", name, at, size, seed_)
            f = os.open(f"{base}/{name}", os.O_WRONLY); os.pwrite(f, body(seed_, size), at); os.fdatasync(f); os.close(f)
            say("over", name, at, size, seed_)
        elif what < .83:
            size = r.randrange(1, 100000)
            say("begin", "size", name, size)
            f = os.open(f"{base}/{name}", os.O_WRONLY); os.ftruncate(f, size); os.fsync(f); os.close(f)
            say("size", name, size); mine[name] = size
        elif what < .92:
            new = f"m{seed}n{number}"
            say("begin", "move", name, new)
            os.rename(f"{base}/{name}", f"{base}/{new}"); sync_directory()
            say("move", name, new); mine[new] = mine.pop(name)
        else:
            say("begin", "gone", name)
            os.unlink(f"{base}/{name}"); sync_directory()
            say("gone", name); del mine[name]
E
cat >"$WORK/judge.py" <<'E'
"""Compares what is below DIRECTORY/wN with the acknowledged facts of LOG; the last begun operation may or may not hold."""
import json, os, random, sys
base, log_path = sys.argv[1], sys.argv[2]
def body(seed, size): return random.Random(seed).randbytes(size)
def apply(state, fact):
    state = dict(state); kind = fact[0]
    if kind == "clear": state = {}
    elif kind == "file": state[fact[1]] = body(fact[3], fact[2])
    elif kind == "over":
        b = state[fact[1]]; data = body(fact[4], fact[3]); state[fact[1]] = b[:fact[2]] + data + b[fact[2] + len(data):]
    elif kind == "size": state[fact[1]] = state[fact[1]][:fact[2]].ljust(fact[2], b"\0")
    elif kind == "move": state[fact[2]] = state.pop(fact[1])
    elif kind == "gone": del state[fact[1]]
    return state
state, begun, count = {}, None, 0
for text in open(log_path):
    if not text.endswith("\n"): break
    fact = json.loads(text)
    if fact[0] == "begin": begun = fact[1:]
    else: state, begun, count = apply(state, fact), None, count + 1
touched = {n for n in (begun[1:3] if begun else []) if isinstance(n, str)}
found = {n: open(f"{base}/{n}", "rb").read() for n in os.listdir(base)}
problems = []
for name in sorted(set(state) | set(found)):
    if name in touched or (begun and begun[0] == "clear"): continue
    if name not in found: problems.append(f"acknowledged file {name} is lost")
    elif name not in state: problems.append(f"file {name} exists, but its removal was acknowledged or it never was")
    elif found[name] != state[name]:
        a, b = found[name], state[name]
        at = next((i for i in range(min(len(a), len(b))) if a[i] != b[i]), min(len(a), len(b)))
        problems.append(f"acknowledged content of {name} differs at byte {at}: size {len(a)}, acknowledged {len(b)}")
if begun and begun[0] in ("over", "gone", "move", "size"):
    # Requests are atomic and ordered, so for these the file is as before or as after; a large write may split at blocks.
    after = apply(state, begun)
    for name in touched:
        if name in found:
            options = [s[name] for s in (state, after) if name in s]
            if not options: problems.append(f"{name} should not exist")
            elif found[name] not in options and begun[0] != "over": problems.append(f"{name}: content is neither before nor after {begun[0]}")
            elif begun[0] == "over":
                for i, byte in enumerate(found[name]):
                    if all(i >= len(o) or o[i] != byte for o in options): problems.append(f"{name}: byte {i} is neither old nor new"); break
    if begun[0] == "move" and (begun[1] in found) == (begun[2] in found): problems.append(f"rename of {begun[1]} is half done")
if problems: print("\n".join(problems[:10])); sys.exit(1)
print(f"{count} acknowledged operations hold")
E

round() { # round NUMBER
  local seed=$1 w pids=() status=0
  rm -f "$WORK"/ack.*
  for w in 1 2 3; do python3 "$WORK/writer.py" "$D" "$WORK/ack.$w" $w "$seed" 2>/dev/null & pids+=($!); done
  sleep "$(python3 -c "import random; print(round(random.Random($seed).uniform(0.5, 3.5), 2))")"
  kill_volume kill
  for w in "${pids[@]}"; do kill "$w" 2>/dev/null || true; wait "$w" 2>/dev/null || true; done
  if [ $((seed % 3)) = 0 ]; then check_volume kill || fail "the checker complains before the volume was mounted again"; fi
  mount_volume kill
  for w in 1 2 3; do
    [ -f "$WORK/ack.$w" ] || continue
    python3 "$WORK/judge.py" "$D/w$w" "$WORK/ack.$w" || status=1
  done
  same "outcome of seed $seed" 0 $status
}
total() { cat "$WORK"/ack.* 2>/dev/null | grep -vc '"begin"'; }
ACKNOWLEDGED=0
for n in $(seq 1 "$ROUNDS"); do
  it "Round $n: every acknowledged sync survives kill -9, and nothing that was undone comes back" round "$n" || {
    KEEP_IMAGE=${KEEP_IMAGE:-$WORK}; mountpoint -q "$D" || mount_volume kill >/dev/null || break; }
  ACKNOWLEDGED=$((ACKNOWLEDGED + $(total)))
done
note "$ROUNDS rounds, $ACKNOWLEDGED acknowledged operations"
[ "$ACKNOWLEDGED" -gt $((ROUNDS * 5)) ] || bail "only $ACKNOWLEDGED operations were acknowledged: the load was too weak to prove anything"

in_recovery() { # a second kill while the first recovery may still run
  local n w; for n in $(seq 1 "$(full_or_fast 10 3)"); do
    rm -f "$WORK"/ack.*
    python3 "$WORK/writer.py" "$D" "$WORK/ack.1" 1 $((9000 + n)) 2>/dev/null & w=$!
    sleep 1.5; kill_volume kill; kill $w 2>/dev/null || true; wait $w 2>/dev/null || true
    "$INTEGRITYFS" mount "$(image_of kill)" "$D" -o "$(options_of kill)" >/dev/null 2>&1 & w=$!
    sleep "0.0$n"; for pid in $(daemon_of kill); do kill -KILL "$pid" 2>/dev/null || true; done; wait $w || true
    umount -l "$D" 2>/dev/null || true; wait_gone 20 $(daemon_of kill); detach_loops "$(image_of kill)"
    mount_volume kill; python3 "$WORK/judge.py" "$D/w1" "$WORK/ack.1"
  done
}
it "A kill during recovery loses nothing either" in_recovery
finish kill
