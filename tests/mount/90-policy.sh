#!/bin/bash
# The tools of AppArmor and SELinux on policy directories that live in the volume: what they build must be the bytes that
# they build on the host's filesystem, labels and times must survive, and tampering must be seen by the tools themselves.
. "$(dirname "$0")/lib.bash"
need apparmor_parser semodule seinfo checkmodule semodule_package secilc setfattr setfacl flock
[ -d /etc/selinux/default ] || bail "the package selinux-policy-default is missing"
[ -f /etc/apparmor.d/abi/3.0 ] || bail "the package apparmor is missing"

start policy 192M "$([ "$CONTENDER" = integrityfs ] && echo verify=full)"
M=$(dir_of policy)
H=$WORK/host # the same on the host's disk
mkdir -p "$H"

apparmor() { # apparmor ROOT
  local root=$1 features
  cp -a /etc/apparmor.d "$root/"; mkdir -p "$root/cache"; features=$root/apparmor.d/abi/3.0
  local profile; profile=$(find "$root/apparmor.d" -maxdepth 1 -name 'usr.sbin.*' -type f | sort | head -n 1)
  apparmor_parser -QTK -M "$features" -b "$root/apparmor.d" "$profile"
  apparmor_parser -Q -W -L "$root/cache" -M "$features" -b "$root/apparmor.d" "$root/apparmor.d/"
  apparmor_parser -QTKS -M "$features" -b "$root/apparmor.d" "$profile" >"$root/compiled"
  [ "$(find "$root/cache" -type f | wc -l)" -ge 5 ] || fail "no compiled profiles in the cache"
}
apparmor_both() {
  apparmor "$H" >/dev/null 2>"$WORK/host.err" || { cat "$WORK/host.err"; fail "apparmor_parser fails on the host's filesystem too"; }
  apparmor "$M"; cmp "$H/compiled" "$M/compiled"
}
it "AppArmor's parser compiles, caches and reads profiles; its output is what it is on the host's filesystem" apparmor_both

selinux() { # selinux ROOT
  local root=$1 tree=$1/root
  mkdir -p "$tree/etc" "$tree/var/lib"; cp -a /etc/selinux "$tree/etc/"; cp -a /var/lib/selinux "$tree/var/lib/"
  cd "$root"; printf '(type ifs_demo_t)\n(roletype object_r ifs_demo_t)\n' >mytest.cil
  semodule -n -p "$tree" -s default -i mytest.cil
  semodule -p "$tree" -s default -l | grep mytest
  seinfo "$tree/etc/selinux/default/policy/policy.33" | head -n 5
  printf 'module hello 1.0;\ntype hello_t;\nrequire { type etc_t; class file read; }\nallow hello_t etc_t:file read;\n' >hello.te
  checkmodule -M -m -o hello.mod hello.te; semodule_package -o hello.pp -m hello.mod
  semodule -n -p "$tree" -s default -i hello.pp
  cat >base.cil <<'C'
(class file (read))(classorder (file))(sid kernel)(sidorder (kernel))(user u)(role r)(type t)(sensitivity s0)(sensitivityorder (s0))(userrole u r)(roletype r t)(userlevel u (s0))(userrange u ((s0)(s0)))(sidcontext kernel (u r t ((s0)(s0))))(allow t self (file (read)))
C
  secilc -o policy.33 -f fc base.cil
  local started; started=$(date +%s%N); semodule -n -p "$tree" -s default -B; echo $((($(date +%s%N) - started) / 1000000)) >"$WORK/rebuild.$(basename "$root")"
}
selinux_both() {
  selinux "$H"; selinux "$M"
  cmp "$H/root/etc/selinux/default/policy/policy.33" "$M/root/etc/selinux/default/policy/policy.33"
  cmp "$H/policy.33" "$M/policy.33"
}
it "SELinux's semodule, checkmodule and secilc install modules and build the same policy as on the host's filesystem" selinux_both
rebuild_time() {
  local host volume; host=$(cat "$WORK/rebuild.host"); volume=$(cat "$WORK/rebuild.policy.mnt")
  echo "host $host ms, volume $volume ms"
  [ "$volume" -le $((host * 3 + 1000)) ] || fail "semodule -B takes $volume ms, on the host's filesystem $host ms"
}
it "semodule -B takes at most three times as long as on the host's filesystem" rebuild_time
note "semodule -B: $(cat "$WORK/rebuild.host" 2>/dev/null) ms on the host's filesystem, $(cat "$WORK/rebuild.policy.mnt" 2>/dev/null) ms on the volume"

labels() {
  cd "$M"; touch x; setfattr -n security.selinux -v system_u:object_r:etc_t:s0 x
  setfacl -m u:61000:r x; flock -n x true; touch -d '2020-02-02 02:02:02.202020202 UTC' x
}
it "Labels, ACLs and locks are accepted" labels
survive() {
  python3 "$HERE/manifest.py" "$M" >"$WORK/before"; remount_volume policy "$([ "$CONTENDER" = integrityfs ] && echo verify=full)"
  python3 "$HERE/manifest.py" "$M" >"$WORK/after"; diff "$WORK/before" "$WORK/after"
  getfattr --only-values -n security.selinux "$M/x" | grep -q 'system_u:object_r:etc_t:s0'
}
it "All of it is the same after a remount, labels and nanoseconds included" survive

if [ "$CONTENDER" = integrityfs ]; then
  attacked() {
    local profile at offsets detected=0; profile=$(find "$M/apparmor.d" -maxdepth 1 -name 'usr.sbin.dnsmasq' -o -maxdepth 1 -name 'usr.sbin.*' | sort | head -n 1)
    profile=$(basename "$profile"); umount_volume policy; cp --sparse=always "$(image_of policy)" "$WORK/policy.good"
    # Every place of the image that holds the start of the profile's text: home, and perhaps the journal.
    offsets=$(python3 - "$(image_of policy)" "/etc/apparmor.d/$profile" <<'E'
import sys
data = open(sys.argv[1], "rb").read(); want = open(sys.argv[2], "rb").read(); want = want[:min(len(want), 300)]; at = data.find(want)
while at >= 0: print(at); at = data.find(want, at + 1)
E
    ); [ -n "$offsets" ] || fail "the profile's text is not in the image"
    for at in $offsets; do
      cp --sparse=always "$WORK/policy.good" "$(image_of policy)"
      printf '#' | dd of="$(image_of policy)" bs=1 seek=$((at + 20)) conv=notrunc status=none
      mount_volume policy
      if ! cat "$M/apparmor.d/$profile" >/dev/null; then
        detected=$((detected + 1)); refused apparmor_parser -QTK -M /etc/apparmor.d/abi/3.0 -b "$M/apparmor.d" "$M/apparmor.d/$profile"
        umount_volume policy; refused mount_volume policy verify=full
      else cmp "$M/apparmor.d/$profile" "/etc/apparmor.d/$profile"; umount_volume policy; fi
    done
    cp --sparse=always "$WORK/policy.good" "$(image_of policy)"; rm "$WORK/policy.good"; mount_volume policy
    [ $detected -ge 1 ] || fail "an edited profile was read"
  }
  it "An edited profile is not compiled, and with verify=full the volume does not mount" attacked

  killed_install() { # a kill inside semodule -i: the store is the old or the new one, and can be rebuilt
    local n tree=$M/root pid; for n in $(seq 1 "$(full_or_fast 5 2)"); do
      printf '(type ifs_kill%d_t)\n(roletype object_r ifs_kill%d_t)\n' "$n" "$n" >"$WORK/kill$n.cil"
      semodule -n -p "$tree" -s default -i "$WORK/kill$n.cil" >/dev/null 2>&1 & pid=$!
      sleep "$n.3"; kill_volume policy; wait $pid || true; mount_volume policy
      [ -d "$tree/var/lib/selinux/default/active" ] || [ -d "$tree/var/lib/selinux/default/previous" ] || fail "no policy store is left"
      semodule -n -p "$tree" -s default -B
      [ -z "$(find "$M/cache" -size 0 -type f)" ] || fail "an empty cache file"
    done
  }
  killed_cache() { # a kill inside apparmor_parser -W: no half-written cache file takes effect
    local n pid; for n in $(seq 1 "$(full_or_fast 6 2)"); do
      rm -rf "$M/cache"; mkdir "$M/cache"
      apparmor_parser -Q -W -L "$M/cache" -M "$M/apparmor.d/abi/3.0" -b "$M/apparmor.d" "$M/apparmor.d/" >/dev/null 2>&1 & pid=$!
      sleep "0.$((n * 3 % 10))"; kill_volume policy; wait $pid || true; mount_volume policy
      [ -z "$(find "$M/cache" -size 0 -type f)" ] || fail "an empty cache file"
      apparmor_parser -Q -W -L "$M/cache" -M "$M/apparmor.d/abi/3.0" -b "$M/apparmor.d" "$M/apparmor.d/"
      [ "$(find "$M/cache" -type f | wc -l)" -ge 5 ] || fail "the cache was not rebuilt"
    done
  }
  it "kill -9 inside apparmor_parser -W leaves no empty cache file, and the cache is rebuilt" killed_cache
  it "kill -9 inside semodule -i leaves a store that can be rebuilt" killed_install
fi
finish policy
