#!/bin/bash
# kill -9 of the daemon under load that syncs. What was acknowledged before the kill is logged outside of the volume, so
# each round proves: every acknowledged sync is there, whole, and the volume needs no repair. See killing.py.
#
# KILL_ROUNDS: number of rounds; default 200, 40 with FAST=1; 1000 by hand. KILL_SEED: which random choices.
. "$(dirname "$0")/lib.bash"
only_integrityfs
need python3
ROUNDS=${KILL_ROUNDS:-$(full_or_fast 200 40)}
SEED=${KILL_SEED:-$(( $(date +%s) % 100000 ))}
make_volume kill 256M >/dev/null || bail "topic $TOPIC could not format a volume"

rounds() {
  python3 "$HERE/killing.py" "$ROUNDS" "$SEED" "$INTEGRITYFS" "$(image_of kill)" "$(key_of kill)" "$(dir_of kill)" "$WORK" | tee "$WORK/note"
  return "${PIPESTATUS[0]}"
}
it "$ROUNDS kills at random moments, seed $SEED: every acknowledged sync is there, what was undone stays undone" rounds
note "$(tail -n 1 "$WORK/note" 2>/dev/null)"

terms() { # SIGTERM under load is a close in order
  mount_volume kill; local daemons load
  ( while echo x >>"$(dir_of kill)/t" && sync "$(dir_of kill)/t"; do :; done 2>/dev/null ) & load=$!
  sleep 0.5; daemons=$(daemon_of kill); kill -TERM $daemons; wait_gone 30 $daemons; kill $load 2>/dev/null || true; wait $load || true
  mountpoint -q "$(dir_of kill)" && umount -l "$(dir_of kill)"
  "$INTEGRITYFS" status --json "$(image_of kill)" | grep -q '"clean": true' || fail "the volume is not clean after SIGTERM"
  rm -f "$(log_of kill)"; mount_volume kill; refused grep -q replayed "$(log_of kill)"
}
it "SIGTERM under load closes in order: the next mount replays nothing" terms
finish kill
