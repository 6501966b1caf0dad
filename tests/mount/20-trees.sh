#!/bin/bash
# Real trees: a copy of at least 20,000 files of /usr/share by cp -a and by rsync, and a git repository.
. "$(dirname "$0")/lib.bash"
need rsync git setfattr

start trees 3G
D=$(dir_of trees)
WANTED=$(full_or_fast 20000 4000)

# The source is frozen first: a directory on the host's disk which nothing else changes. Files of /usr/share, plus what it
# lacks: hard links, attributes, ACLs, odd owners and modes, devices, a sparse file.
build_source() {
  local size
  mkdir "$WORK/source"
  # Whole directories, smallest first, until there are enough files: bounded in bytes as well.
  while read -r size directory; do
    [ "$(find "$WORK/source" -type f | wc -l)" -lt "$WANTED" ] || break
    [ "$size" -lt 300000 ] || continue
    cp -a "$directory" "$WORK/source/"
  done < <(du -s --inodes /usr/share/*/ | sort -rn | awk '{ print $2 }' | while read -r d; do du -sk "$d"; done)
  # A small system has fewer files there: headers and libraries then, and at last the same again under another name.
  if [ "$(find "$WORK/source" -type f | wc -l)" -lt "$WANTED" ]; then cp -a /usr/include "$WORK/source/"; fi
  local again=0
  while [ "$(find "$WORK/source" -type f | wc -l)" -lt "$WANTED" ] && [ $again -lt 20 ]; do
    again=$((again + 1)); mkdir "$WORK/source/again$again"; cp -a /usr/share/doc /usr/share/perl /usr/lib/python3 "$WORK/source/again$again/" || true
  done
  mkdir "$WORK/source/extra"; cd "$WORK/source/extra"
  echo linked >one; ln one two; ln one three; ln -s one symbolic
  mkfifo pipe; mknod device c 10 200; truncate -s 100M sparse; echo end >>sparse
  echo attributes >attributes; setfattr -n user.colour -v blue attributes; setfattr -n trusted.x -v y attributes
  echo acl >acl; setfacl -m u:61000:rw acl; mkdir dacl; setfacl -d -m g:61001:rx dacl
  echo owned >owned; chown 1234:5678 owned; chmod 4711 owned; touch -d '1999-12-31 23:59:59.999999999 UTC' owned
  [ "$(find "$WORK/source" -type f | wc -l)" -ge "$WANTED" ] || fail "only $(find "$WORK/source" -type f | wc -l) files in /usr/share"
}
it "A source tree of at least $WANTED files is made from /usr/share" build_source
note "$(find "$WORK/source" -type f | wc -l) files, $(du -sm "$WORK/source" | cut -f1) MiB"

copy_both() {
  mkdir "$D/cp" "$D/rsync"
  cp -a "$WORK/source/." "$D/cp/"
  rsync -aHAXS "$WORK/source/" "$D/rsync/"
}
it "cp -a and rsync -aHAXS copy the tree" copy_both
it "The volume unmounts and mounts again" remount_volume trees

identical() { # identical COPY: rsync finds no difference in either direction, nor does the manifest
  local copy=$1 differences
  differences=$(rsync -aHAXnci --delete "$WORK/source/" "$D/$copy/"; rsync -aHAXnci --delete "$D/$copy/" "$WORK/source/")
  same "differences that rsync finds" "" "$differences"
  diff <(python3 "$HERE/manifest.py" "$WORK/source") <(python3 "$HERE/manifest.py" "$D/$copy")
}
it "The tree that cp copied has every byte, mode, owner, time, link and attribute" identical cp
it "The tree that rsync copied has every byte, mode, owner, time, link and attribute" identical rsync

remove_trees() {
  rm -r "$D/cp" "$D/rsync"
  same "left over" "" "$(ls -A "$D" | grep -v lost+found)"
}
it "Removing both trees leaves an empty volume" remove_trees

build_repository() {
  mkdir "$WORK/repository"; cd "$WORK/repository"; git init -q .
  git config user.email tests@example.org; git config user.name tests
  local commit commits; commits=$(full_or_fast 200 50)
  find "$WORK/source" -type f -size -64k | LC_ALL=C sort | head -n $((commits * 10)) >"$WORK/files"
  for commit in $(seq 1 "$commits"); do
    sed -n "$((commit * 10 - 9)),$((commit * 10))p" "$WORK/files" | xargs -d '\n' cp -t . --backup=numbered
    git add -A; git commit -q -m "commit $commit"
  done
}
it "A repository with many commits is made on the host" build_repository

clone() {
  cd "$D"; git clone -q --no-local --no-hardlinks "$WORK/repository" clone
  cd clone; git fsck --strict --full 2>&1 | grep -v '^notice\|^Checking\|dangling' && fail "git fsck found something"
  git status --porcelain | grep . && fail "the clone differs from its commit"
  git config user.email tests@example.org; git config user.name tests
  for n in 1 2 3 4 5; do echo $n >>more; git add more; git commit -q -m "here $n"; done
  git repack -q -a -d; git gc -q --prune=now
  remount_volume trees; cd "$D/clone"
  git fsck --strict --full; same commits "$(($(git -C "$WORK/repository" rev-list --count HEAD) + 5))" "$(git rev-list --count HEAD)"
  same "tree of the last common commit" "$(git -C "$WORK/repository" rev-parse HEAD^{tree})" "$(git rev-parse HEAD~5^{tree})"
}
it "git clones, commits, repacks and finds its repository sound, before and after a remount" clone
finish trees
