#!/bin/bash
# File contents under load that checks itself: fio with verification, huge sparse files, a random writer against a model.
. "$(dirname "$0")/lib.bash"
need fio python3

start data 3G
D=$(dir_of data)
cd "$WORK" # fio leaves its verification states where it runs
SIZE=$(full_or_fast 256m 64m)

verify() { # verify NAME FIO-OPTIONS...: write with checksums in the data, read back at once and again after a remount
  local name=$1; shift
  fio --name="$name" --directory="$D" --size="$SIZE" --verify=crc32c --verify_fatal=1 --randseed=7 --minimal "$@" \
    --output="$WORK/fio.out" || { cat "$WORK/fio.out"; fail "fio failed"; }
  remount_volume data
  fio --name="$name" --directory="$D" --size="$SIZE" --verify=crc32c --verify_fatal=1 --randseed=7 --minimal "$@" \
    --verify_only --output="$WORK/fio.out" || { cat "$WORK/fio.out"; fail "verification after a remount failed"; }
  rm -f "$D/$name".*
}
it "fio: sequential writes of 1 MiB verify" verify seq --rw=write --bs=1m --ioengine=psync --end_fsync=1
it "fio: random writes of 4 KiB with fsync verify" verify rand --rw=randwrite --bs=4k --ioengine=psync --fsync=64
it "fio: random writes of odd sizes and offsets verify" verify odd --rw=randwrite --bsrange=512-24k --bs_unaligned --ioengine=psync
it "fio: asynchronous direct writes of 16 KiB verify" verify aio --rw=randwrite --bs=16k --ioengine=libaio --iodepth=16 --direct=1
it "fio: writes through shared mappings verify" verify mmap --rw=randwrite --bs=4k --ioengine=mmap
it "fio: four writers at once verify" verify four --rw=randwrite --bs=8k --ioengine=psync --numjobs=4 --size=32m
it "fio: io_uring, or what stands for it, verifies" verify uring --rw=write --bs=64k --ioengine=posixaio --iodepth=8

sparse() {
  cd "$D"; python3 - "$CONTENDER" <<'E'
import os, sys
end = (16 << 40) - (1 << 20) if sys.argv[1] == "integrityfs" else (16 << 40) - (1 << 20) - 4096
f = os.open("huge", os.O_RDWR | os.O_CREAT)
places = [0, 4095, 1 << 20, (1 << 32) - 9, 1 << 32, (1 << 40) + 12345, (8 << 40) + 7, end - 5000]
for n, p in enumerate(places): os.pwrite(f, b"here%d" % n, p)
os.ftruncate(f, end)
assert os.fstat(f).st_size == end and os.fstat(f).st_blocks < 4096, os.fstat(f)
for n, p in enumerate(places): assert os.pread(f, 5, p) == b"here%d" % n, p
assert os.pread(f, 100000, 3 << 40) == bytes(100000)
found, at = 0, 0
while True:
    try: at = os.lseek(f, at, os.SEEK_DATA)
    except OSError: break
    found += 1; at = os.lseek(f, at, os.SEEK_HOLE)
assert 6 <= found <= 8, found
os.fsync(f)
E
  remount_volume data; cd "$D"; same place here6 "$(tail -c +$(((8 << 40) + 8)) huge | head -c 5)"
  truncate -s 100 huge; rm huge
}
it "A sparse file of 16 TiB keeps data at far offsets, shows its holes, shrinks and goes" sparse

model() { # random operations on one file, compared with the same operations on a file of the host's disk
  cd "$D"; python3 - "$WORK/model" "$1" <<'E'
import ctypes, os, random, sys
r = random.Random(int(sys.argv[2])); libc = ctypes.CDLL(None, use_errno=True)
a = os.open("model", os.O_RDWR | os.O_CREAT); b = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_TRUNC)
LIMIT = 3 << 20
def falloc(f, mode, at, n):
    if libc.fallocate(f, mode, ctypes.c_long(at), ctypes.c_long(n)): raise OSError(ctypes.get_errno(), "fallocate")
for step in range(4000):
    at = r.randrange(LIMIT) if r.random() < .5 else r.randrange(LIMIT >> 12) << 12
    n = r.choice([1, 7, 100, 512, 4096, 8192, r.randrange(1, 70000)]); what = r.random()
    if what < .45:
        data = r.randbytes(n)
        for f in (a, b): os.pwrite(f, data, at)
    elif what < .52:
        for f in (a, b): os.ftruncate(f, at)
    elif what < .62:
        for f in (a, b): falloc(f, 3, at, n)          # punch a hole
    elif what < .67:
        for f in (a, b): falloc(f, 16 | r.choice([0]), at, n)   # zero a range
    elif what < .70:
        for f in (a, b): falloc(f, 0, at, n)
    elif what < .75:
        to = r.randrange(LIMIT); size = os.fstat(b).st_size
        if at + n <= size and abs(to - at) > n:
            for f in (a, b):
                done = 0
                while done < n:
                    k = os.copy_file_range(f, f, n - done, at + done, to + done); assert k > 0; done += k
    elif what < .78: os.fsync(a)
    else:
        x, y = os.pread(a, n, at), os.pread(b, n, at)
        assert x == y, f"seed {sys.argv[2]} step {step}: read of {n} at {at} differs"
    assert os.fstat(a).st_size == os.fstat(b).st_size, f"seed {sys.argv[2]} step {step}: size"
E
  cmp "$D/model" "$WORK/model"; remount_volume data; cmp "$D/model" "$WORK/model"; rm "$D/model" "$WORK/model"
}
for seed in $(seq 1 "$(full_or_fast 10 3)"); do
  it "Random writes, truncations, holes and copies agree with the host's filesystem (seed $seed)" model "$seed"
done
finish data
