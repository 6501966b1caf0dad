#!/bin/bash
# Many callers that read small pieces at once, which one thread may leave to the device: every piece is whole, as new as the
# last write before it, and a bad one is an error for itself alone, whoever writes, truncates, unmounts or dies meanwhile.
. "$(dirname "$0")/lib.bash"
only_integrityfs
need python3
make_volume readers 512M >/dev/null || bail "topic $TOPIC could not format a volume"
I=$(image_of readers) K=$(key_of readers) D=$(dir_of readers)
queued() { "$INTEGRITYFS" status --json "$D" | python3 -c 'import json, sys; print(json.load(sys.stdin)["busyPoll"]["queuedReads"])'; }

# Each block of 4 KiB says which it is and how often it was written, again and again. Read past the page cache.
cat >"$WORK/readers.py" <<'E'
import errno, mmap, os, random, struct, sys, threading, time
path, action, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
bad = {int(b) for b in sys.argv[4:]}
B, BLOCKS, READERS, TAIL = 4096, 16384, 8, 2000
def block(n, version): return struct.pack("<QQ", n, version) * (B // 16)
if action == "write":
    with open(path, "wb") as f:
        for n in range(BLOCKS): f.write(block(n, 1))
        os.fsync(f.fileno())
    sys.exit()
end = time.monotonic() + seconds
written = [1] * BLOCKS        # versions whose write has returned
tail = BLOCKS                 # from here on blocks may be cut away, or be holes
faults, reads, stopped = [], [0] * READERS, []
GONE = (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO, errno.ENODEV)
def look(first, i, data, least):
    n, version = struct.unpack("<QQ", data[:16])
    if data == bytes(B) and first + i >= tail: return
    if n != first + i or version < least or data != block(n, version):
        faults.append(f"block {first + i}: says {n}, version {version} after {least}, whole: {data == block(n, version)}")
def reader(slot):
    rng = random.Random(slot); fd = os.open(path, os.O_RDONLY | os.O_DIRECT); memory = mmap.mmap(-1, 16 * B)
    try:
        while time.monotonic() < end and not faults:
            count = rng.choice((1, 1, 1, 2, 5, 16)); first = rng.randrange(BLOCKS - count); least = written[first:first + count]
            spoilt = bad & set(range(first, first + count))
            try: got = os.preadv(fd, [memoryview(memory)[:count * B]], first * B)
            except OSError as e:
                if action == "until-gone" and e.errno in GONE and not spoilt: stopped.append(slot); return
                if e.errno != errno.EIO or not spoilt: faults.append(f"{count} blocks at {first}: {e}")
                continue
            if got % B == 0 and got < count * B and first + got // B >= tail: count = got // B
            elif got != count * B: faults.append(f"{count} blocks at {first}: {got} bytes")
            if spoilt: faults.append(f"{count} blocks at {first}: bad, and no error")
            for i in range(count): look(first, i, memory[i * B:(i + 1) * B], least[i])
            reads[slot] += 1
    finally: os.close(fd)
def writer():
    global tail
    rng = random.Random(99); fd = os.open(path, os.O_RDWR); versions = [1] * BLOCKS
    while time.monotonic() < end and not faults:
        for _ in range(rng.randrange(40)):
            n = rng.randrange(BLOCKS - TAIL); versions[n] += 1; os.pwrite(fd, block(n, versions[n]), n * B); written[n] = versions[n]
        what = rng.randrange(6)
        if what == 0: os.fsync(fd)
        elif what == 1: # blocks of the end become another file's
            tail = BLOCKS - TAIL
            for n in range(tail, BLOCKS): written[n] = 0
            os.ftruncate(fd, tail * B)
            with open(path + ".other", "wb") as f: f.write(os.urandom(TAIL * B)); os.fsync(f.fileno())
            for n in range(tail, BLOCKS, 3): versions[n] += 1; os.pwrite(fd, block(n, versions[n]), n * B)
            os.ftruncate(fd, BLOCKS * B)
        elif what == 2: os.sync()
        time.sleep(rng.random() / 20)
    os.close(fd)
threads = [threading.Thread(target=reader, args=(slot,)) for slot in range(READERS)]
if action == "with-changes": threads.append(threading.Thread(target=writer))
for t in threads: t.start()
for t in threads: t.join(seconds + 60)
if any(t.is_alive() for t in threads): print("a thread hangs"); os._exit(1)
print(sum(reads), "reads", *faults[:5], sep="\n")
sys.exit(bool(faults) or (action == "until-gone" and len(stopped) != READERS) or (action != "until-gone" and min(reads) == 0))
E
readers() { python3 "$WORK/readers.py" "$D/file" "$@"; }

steady() { # which way is faster is the machine's to say, and its load's: patiently
  mount_volume readers; readers write 0; remount_volume readers
  local try; for try in $(seq 10); do readers read 2; [ "$(queued)" -gt 0 ] && return; done
  fail "no read was left to the device"
}
it "Eight readers of small pieces get what was written, and reads are left to the device" steady

off() { umount_volume readers; mount_volume readers busy-poll=off; readers read 2; same "queued reads" 0 "$(queued)"; umount_volume readers; }
it "With busy-poll=off none is" off

changes() { mount_volume readers; readers with-changes "$(full_or_fast 20 5)"; echo "$(queued) reads were left to the device"; umount_volume readers; check_volume readers; }
it "Beside a writer that overwrites, truncates and gives the blocks to another file, every piece is whole and new enough" changes

damage() {
  mount_volume readers; rm "$D"/file*; readers write 0; umount_volume readers; local block at
  for block in 77 9000; do
    at=$("$INTEGRITYFS" dump --json --key-file "$K" path /file "$I" | python3 -c '
import json, sys
place = int(sys.argv[1]) * 4096
for e in json.load(sys.stdin)["extents"]:
    if e["offset"] <= place < e["offset"] + e["length"]: print(e["deviceOffset"] + place - e["offset"])' $block)
    printf Z | dd of="$I" bs=1 seek=$((at + 1234)) conv=notrunc status=none
  done
  rm -f "$(daemon_log_of readers)"; mount_volume readers; readers read 4 77 9000; cat "$(daemon_log_of readers)"
  for block in 77 9000; do same "lines about block $block of the file" 1 "$(grep 'not authentic' "$(daemon_log_of readers)" | grep -c "$((block * 4096))")"; done
  umount_volume readers
}
it "Bad blocks are errors for those who ask for them, with one line each in the log" damage

gone() {
  local way p; for way in kill end; do
    mount_volume readers; readers until-gone 60 77 9000 & p=$!; sleep 1.5
    if [ $way = kill ]; then kill -KILL $(daemon_of readers); else kill -TERM $(daemon_of readers); fi
    wait $p || fail "after $way"; umount -l "$D" 2>/dev/null || true; wait_gone 20 $(daemon_of readers)
  done
}
it "Readers of a daemon that is killed or told to end get errors, and none hangs" gone
mount_volume readers
rm -f "$D"/file*
finish readers
