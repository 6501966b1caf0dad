#!/bin/bash
# The command line as its user meets it: help with examples, one line that says what to do, stable exit codes, JSON,
# completion that loads, manual pages that are true.
. "$(dirname "$0")/lib.bash"
only_integrityfs
need python3 bash zsh fish mandoc mkfs.ext4
I=$INTEGRITYFS
cd "$WORK" || exit 1
export CREDENTIALS_DIRECTORY=
(umask 077; head -c 32 /dev/urandom >key; head -c 32 /dev/urandom >wrong; head -c 5 /dev/urandom >short; echo secret >pass; : >empty)
cp key open; chmod 644 open; mkdir mnt

commands() { printf '%s\n' mkfs mount umount fsck status dump key 'key list' 'key add' 'key change' 'key remove' probe completion; }
crashtests() { "$I" crashtest --help | sed -n '/^Commands/,/^$/s/^  \([a-z][a-z]*\) .*/crashtest \1/p'; }
helps() {
  local command text; while read -r command; do
    # shellcheck disable=SC2086
    text=$("$I" $command --help); grep -q '^Usage:' <<<"$text"; grep -q '^Examples:' <<<"$text" || fail "$command --help has no examples"
    grep -q '^Exit codes' <<<"$text" || fail "$command --help has no exit codes"
    same "help of $command by the other way" "$text" "$("$I" help $command)"
  done < <(commands)
  "$I" --help | grep -q '^Examples:'; "$I" --version | grep -Eq '^[0-9]+\.[0-9]'
  "$I" mount x --help | grep -q '^Usage'
}
it "Every command has --help with usage, examples and exit codes" helps

says() { # says EXIT_CODE PATTERN COMMAND...: fails so, with one line that holds the pattern (a second may name --help)
  local expected=$1 pattern=$2 status=0; shift 2
  timeout 20 "$@" >"$WORK/out" 2>"$WORK/err" </dev/null || status=$?
  cat "$WORK/err"; same "exit code of $*" "$expected" $status
  [ "$(grep -vc "^Try '" "$WORK/err")" = 1 ] || fail "not one line: $*"
  grep -Eqi -- "$pattern" "$WORK/err" || fail "the line does not say '$pattern': $*"
  refused grep -qE 'Exception|^ *at [A-Z]' "$WORK/err"
}
mkfs_says() {
  says 17 'no such file' "$I" mkfs --key-file none --size 8M new
  says 17 '32 to 8192 bytes.*there are 5' "$I" mkfs --key-file short --size 8M new
  says 17 'others may read.*chmod 600' "$I" mkfs --key-file open --size 8M new
  says 17 'passphrase has 1 to' "$I" mkfs --passphrase-file empty --size 8M new
  says 1 '--key-file FILE, --passphrase' "$I" mkfs --size 8M new
  says 1 '--size' "$I" mkfs --key-file key new
  says 2 'No such file or directory' "$I" mkfs --key-file key --size 8M nowhere/new
  says 16 'at least 1 MiB' "$I" mkfs --key-file key --size 1000K new
  says 1 "64X.*is not a size" "$I" mkfs --key-file key --size 64X new
  says 1 'power of two from 4096 to 65536' "$I" mkfs --key-file key --size 8M --block-size 5000 new
  says 1 'power of two from 4096 to 65536' "$I" mkfs --key-file key --size 8M --block-size 2048 new
  says 1 'power of two from 4096 to 65536' "$I" mkfs --key-file key --size 8M --block-size 128K new
  says 16 'journal-size' "$I" mkfs --key-file key --size 8M --journal-size 4K new
  says 16 '' "$I" mkfs --key-file key --size 8M --journal-size 64M new
  says 16 'out of range' "$I" mkfs --key-file key --size 99999T new
  says 1 'label.*64 bytes' "$I" mkfs --key-file key --size 8M --label "$(printf 'x%.0s' {1..65})" new
  says 1 'is not a UUID' "$I" mkfs --key-file key --size 8M --uuid 12 new
  says 1 'unknown option .--frob' "$I" mkfs --key-file key --frob --size 8M new
  says 1 'one argument too many' "$I" mkfs --key-file key --size 8M new newer
  says 1 'missing' "$I" mkfs --key-file key
  says 1 'only one of' "$I" mkfs --key-file key --passphrase --size 8M new
  says 1 'is a directory' "$I" mkfs --key-file key mnt
  says 2 'neither a regular file nor a block device' "$I" mkfs --key-file key --size 8M /dev/null
  [ ! -e new ] || fail "a refused mkfs leaves a file"
  "$I" mkfs -q --key-file key --size 8M --label one volume
  says 14 'already holds an IntegrityFs volume; -f' "$I" mkfs --key-file key volume
  truncate -s 20M foreign; mkfs.ext4 -q -F foreign; says 14 'holds ext4; -f' "$I" mkfs --key-file key foreign
  echo text >text; says 14 '-f' "$I" mkfs --key-file key --size 8M text; same "a file that is in the way" text "$(cat text)"
}
it "mkfs refuses bad input with its exit code and one line that says what to do" mkfs_says

others_say() {
  says 1 "unknown command 'frob'" "$I" frob; says 1 "unknown command 'frob'" "$I" key frob
  says 11 'volume: wrong key' "$I" dump --key-file wrong superblock volume
  says 10 'not an IntegrityFs volume' "$I" dump --key-file key superblock foreign
  says 2 'No such file' "$I" dump --key-file key superblock none
  says 1 'none of superblock, journal, block, inode, path' "$I" dump --key-file key frob volume
  says 1 'is not a number' "$I" dump --key-file key block x volume
  says 1 'has [0-9]* blocks' "$I" dump --key-file key block 99999999 volume
  says 2 'there is none' "$I" dump --key-file key inode 999 volume
  says 2 'no such file' "$I" dump --key-file key path /none volume
  says 1 'IMAGE_OR_DEVICE' "$I" dump --key-file key block volume
  says 17 'no key: give a key file' "$I" dump superblock volume
  says 10 'not an IntegrityFs volume' "$I" status foreign
  says 2 'no such file' "$I" status none
  says 18 'nothing is mounted there' "$I" status mnt
  says 18 'not an IntegrityFs mount' "$I" status /proc
  says 11 'wrong key' "$I" key add --key-file wrong --new-key-file key volume
  says 1 'name the new key' "$I" key add --key-file key volume
  says 16 'slot 5 is empty' "$I" key remove 5 --key-file key volume
  says 16 'the last one' "$I" key remove 0 --key-file key volume
  says 16 'slot 5 is empty' "$I" key change 5 --key-file key --new-key-file wrong volume
  says 17 'kernel.s keyring' "$I" key list --key-file keyring:integrityfs-no-such-key volume
  says 17 'CREDENTIALS_DIRECTORY' "$I" key list --key-file credential:none volume
  says 10 'not an IntegrityFs volume' "$I" probe foreign
  says 1 'bash, zsh, fish' "$I" completion tcsh
  says 8 'wrong key' "$I" fsck -n --key-file wrong volume
  says 8 'not an IntegrityFs volume' "$I" fsck -n --key-file key foreign
  says 8 'No such file' "$I" fsck -n --key-file key none
  says 16 'only one of' "$I" fsck -n -y --key-file key volume
  cp volume cut; truncate -s 3M cut; says 12 '' "$I" mount cut mnt -o keyfile=key
}
it "The other commands, too" others_say

mount_says() {
  says 11 'wrong key' "$I" mount volume mnt -o keyfile=wrong
  says 17 '32 to 8192' "$I" mount volume mnt -o keyfile=short
  says 17 'no such file' "$I" mount volume mnt -o keyfile=none
  says 17 'no key' "$I" mount volume mnt
  says 2 'No such file' "$I" mount none mnt -o keyfile=key
  says 2 'No such file' "$I" mount volume nowhere -o keyfile=key
  says 2 'not a directory' "$I" mount volume key -o keyfile=key
  says 10 'is a directory' "$I" mount mnt mnt -o keyfile=key
  says 10 'not an IntegrityFs volume' "$I" mount foreign mnt -o keyfile=key
  says 1 "unknown mount option 'frob'" "$I" mount volume mnt -o keyfile=key,frob
  says 1 "'x' is not a number" "$I" mount volume mnt -o keyfile=key,commit=x
  says 1 'none of eio' "$I" mount volume mnt -o keyfile=key,errors=frob
  says 1 'none of read, full' "$I" mount volume mnt -o keyfile=key,verify=some
  says 1 'none of journal, auto' "$I" mount volume mnt -o keyfile=key,data=ordered
  says 1 'secrets do not belong' "$I" mount volume mnt -o passphrase=secret
  says 1 'at least 1M' "$I" mount volume mnt -o keyfile=key,cache=1K
  says 1 'usage' "$I" mount volume
  says 18 'not mounted' "$I" umount mnt; says 18 'not mounted' "$I" umount nowhere; says 1 'usage' "$I" umount
  # As mount(8)'s helper: its bits.
  ln -sf "$I" mount.fuse.integrityfs; ln -sf "$I" umount.fuse.integrityfs; [ ! -e "$(dirname "$I")/libsodium.so" ] || ln -sf "$(dirname "$I")/libsodium.so" .
  says 32 'wrong key' ./mount.fuse.integrityfs volume mnt -o keyfile=wrong
  says 33 'unknown mount option' ./mount.fuse.integrityfs volume mnt -o keyfile=key,frob
  says 34 'No such file' ./mount.fuse.integrityfs none mnt -o keyfile=key
  says 32 'not mounted' ./umount.fuse.integrityfs mnt
  refused mountpoint -q mnt; same "loop devices" "" "$(losetup -n -O NAME -j volume)"
  # While it is mounted.
  "$I" mount volume mnt -o keyfile=key
  says 13 'in use' "$I" mount volume mnt -o keyfile=key; says 13 'in use' "$I" mkfs -f --key-file key volume
  says 13 'in use' "$I" dump --key-file key superblock volume; says 8 'in use' "$I" fsck -n --key-file key volume
  says 13 'in use' "$I" key remove 0 --key-file key volume
  (cd mnt && says 13 'busy' "$I" umount "$WORK/mnt") || exit 1
  "$I" umount mnt
}
it "mount and umount, too; as helpers they give the bits of mount(8)" mount_says

json() {
  local valid="python3 -m json.tool --no-ensure-ascii"
  "$I" mkfs --json --key-file key --size 8M --label 'ü "quoted" \ label' j | $valid | grep -q 'quoted'
  "$I" mount j mnt -o keyfile=key; mkdir mnt/d; echo x >"mnt/d/$(printf 'a\tb\001"c')"; ln -s 'ta"rget' mnt/l; setfattr -n user.q -v '"' mnt/d
  head -c 100000 /dev/urandom >mnt/f
  "$I" status --json mnt | $valid | grep -q '"mounted": true'; "$I" status --json j | $valid | grep -q '"mounted": true'; "$I" umount mnt
  "$I" status --json j | $valid | grep -q '"mounted": false'
  "$I" fsck -n --json --key-file key j | $valid >/dev/null; "$I" fsck -n -f --json --key-file key j | $valid | grep -q '"exitCode": 0'
  "$I" key list --json --key-file key j | $valid | grep -q '"authenticated": true'
  local what; for what in superblock journal 'block 1' 'block 100' 'inode 1' 'path /' 'path /f' 'path /l' 'path /d'; do
    # shellcheck disable=SC2086
    "$I" dump --json --key-file key $what j | $valid >"$WORK/json" || fail "dump --json $what"
    # shellcheck disable=SC2086
    [ -n "$("$I" dump --key-file key $what j)" ]
  done
  "$I" dump --json --key-file key path /f j | python3 -c 'import json, sys; e = json.load(sys.stdin); assert e["size"] == 100000 and sum(x["length"] for x in e["extents"]) >= 100000, e'
}
it "Every --json is JSON, whatever names and labels hold, and every dump says something" json

keys() {
  "$I" mkfs -q --key-file key --size 8M k
  "$I" key add --key-file key --new-passphrase-file pass --label rescue k; "$I" key list k | grep -q 'Argon2Id.*rescue'
  "$I" mount k mnt -o passphrase-file=pass; echo kept >mnt/f; "$I" umount mnt
  printf 'secret' >nonewline; chmod 600 nonewline; "$I" fsck -n --passphrase-file nonewline k
  python3 - <<'P'
import ctypes
serial = ctypes.CDLL(None).syscall(248, b"user", b"integrityfs-test-key", bytes(range(40)), 40, -4); assert serial > 0
P
  "$I" key add --key-file key --new-key-file keyring:integrityfs-test-key k; "$I" mount k mnt -o keyfile=keyring:integrityfs-test-key; same content kept "$(cat mnt/f)"; "$I" umount mnt
  mkdir -p credentials; cp key credentials/integrityfs.key; CREDENTIALS_DIRECTORY=$WORK/credentials "$I" mount k mnt; "$I" umount mnt
  CREDENTIALS_DIRECTORY=$WORK/credentials "$I" mount k mnt -o keyfile=credential:integrityfs.key; "$I" umount mnt
  (umask 077; echo changed >pass2); "$I" key change 1 --key-file key --new-passphrase-file pass2 k
  refused "$I" fsck -n --passphrase-file pass k; "$I" fsck -n --passphrase-file pass2 k; "$I" key list k | grep -q rescue
  "$I" key remove 0 --passphrase-file pass2 k; refused_with 11 "$I" dump --key-file key superblock k; "$I" dump --passphrase-file pass2 superblock k >/dev/null
  grep -q integrityfs-test-key /proc/keys || true
}
it "Key files, passphrases, the kernel's keyring and systemd credentials open a volume; slots are added, changed, removed" keys

asked() { # on a terminal the passphrase is asked for, and is not shown
  command -v script >/dev/null || fail "script(1) is missing"
  "$I" mkfs -q --passphrase-file pass --size 8M asked
  python3 - "$I" "$WORK" <<'P'
import os, pty, sys, time
program, work = sys.argv[1:]
def run(arguments, answers):
    pid, terminal = pty.fork()
    if pid == 0: os.execv(program, [program, *arguments])
    seen = b""
    for answer in answers:
        while b": " not in seen[-40:]:
            seen += os.read(terminal, 1000)
        time.sleep(.1); os.write(terminal, answer + b"\n"); seen += b"\0"
    try:
        while chunk := os.read(terminal, 1000): seen += chunk
    except OSError: pass
    assert not any(a in seen for a in answers if a), f"the passphrase is shown: {seen}"
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen
assert run(["dump", "superblock", f"{work}/asked", "--passphrase"], [b"secret"])[0] == 0
assert run(["dump", "superblock", f"{work}/asked"], [b"wrongone"])[0] == 11
assert run(["mkfs", "-q", "--passphrase", "--size", "8M", f"{work}/asked2"], [b"first", b"second"])[0] == 17
assert not os.path.exists(f"{work}/asked2")
assert run(["mkfs", "-q", "--passphrase", "--size", "8M", f"{work}/asked2"], [b"both", b"both"])[0] == 0
P
}
it "On a terminal the passphrase is asked for, twice for a new one, and never shown" asked

completes() {
  "$I" completion bash >c.bash; "$I" completion zsh >_integrityfs; "$I" completion fish >c.fish
  local words; words=$(bash --norc -c '
    . ./c.bash; offer() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _integrityfs; echo "${COMPREPLY[*]}"; }
    offer integrityfs mk; offer integrityfs key ch; offer integrityfs key add --new-key; offer integrityfs mount v m -o verify=f; offer mkfs.integrityfs --jou; offer integrityfs dump su; offer integrityfs mkfs --key-file vol')
  same "bash offers" $'mkfs\nchange\n--new-key-file\nverify=full\n--journal-size\nsuperblock\nvolume' "$words"
  words=$(fish --no-config -c '. ./c.fish; for line in "integrityfs mk" "integrityfs key ch" "integrityfs key add --new-key"; complete -C $line | cut -f 1; end')
  same "fish offers" $'mkfs\nchange\n--new-key-file' "$words"
  zsh -f -c 'fpath=($PWD $fpath); autoload -Uz compinit; compinit -D -u; (( $+functions[_integrityfs] )) && [[ ${_comps[integrityfs]} == _integrityfs ]]'
  python3 - <<'P'
import os, pty, select, time
pid, t = pty.fork()
if pid == 0: os.execvp("zsh", ["zsh", "-f"])
def send(text, wait=1.5):
    os.write(t, text); out = b""; end = time.time() + wait
    while time.time() < end:
        if select.select([t], [], [], .1)[0]:
            try: out += os.read(t, 10000)
            except OSError: break
    return out
send(b"PS1='> '; fpath=($PWD $fpath); autoload -Uz compinit; compinit -D -u\n", 3)
out = send(b"integrityfs key add --new-key\t"); assert b"--new-key-file" in out, out
send(b"\x15"); out = send(b"integrityfs comp\t"); assert b"letion" in out, out
os.write(t, b"\x15exit\n"); os.waitpid(pid, 0)
P
  # Every option of --help is offered.
  local command option; while read -r command; do
    # shellcheck disable=SC2086
    for option in $("$I" $command --help | sed -n 's/^  *\(-[^<]*\).*/\1/p' | grep -o -- '--[a-z-]*' | grep -v -- --help | sort -u); do
      grep -qF "$(printf "'%s') words=" "$command")" c.bash || fail "bash knows no '$command'"
      grep -F "$(printf "'%s') words=" "$command")" c.bash | grep -qw -- "$option" || fail "bash offers no $option for $command"
      grep -qE -- "__integrityfs_at $command'.* -l ${option#--}( |$)" c.fish || fail "fish offers no $option for $command"
    done
  done < <(commands | grep -v mount)
}
it "Completion scripts load in bash, zsh and fish, and offer commands, options and words" completes

manuals() { # they render without a complaint, and each option of --help is in its page, and the other way round
  local page command option text
  for page in "$REPOSITORY"/docs/man/*; do
    mandoc -T lint -W warning "$page" || fail "$page"
    man --warnings -l "$page" 2>"$WORK/warnings" >"$WORK/$(basename "$page").txt"; [ ! -s "$WORK/warnings" ] || { cat "$WORK/warnings"; fail "$page"; }
  done
  text() { sed 's/\\-/-/g; s/\\f[BIRP]//g' "$REPOSITORY/docs/man/$1"; }
  while read -r command; do
    case $command in mkfs) page=mkfs.integrityfs.8 ;; fsck) page=fsck.integrityfs.8 ;; mount) page=mount.fuse.integrityfs.8 ;; *) page=integrityfs.1 ;; esac
    # shellcheck disable=SC2086
    for option in $("$I" $command --help | sed -n 's/^  *\(-[^<]*\).*/\1/p' | grep -oE -- '--[a-z-]+' | grep -v -- '--help\|--version' | sort -u); do
      { text $page; text integrityfs.1; } | grep -q -- "$option" || fail "$page does not know $option of $command"
    done
  done < <(commands)
  for option in $({ text mkfs.integrityfs.8; text fsck.integrityfs.8; text integrityfs.1; } | grep -oE -- '--[a-z][a-z-]+' | sort -u); do
    { commands; crashtests; } | while read -r command; do "$I" $command --help 2>/dev/null; done | grep -q -- "$option" || fail "a page has $option, which no command has"
  done
  for option in $("$I" mount --help | sed -n '/^Options/,/^Switches/s/^  *\([a-z_-]*\)[=, ].*/\1/p'); do text mount.fuse.integrityfs.8 | grep -q -- "$option" || fail "the page of mount does not know $option"; done
  for option in $("$I" --help | sed -n 's/^ *\([0-9][0-9]*\)  .*/\1/p'); do text integrityfs.1 | grep -qE "^ ?$option  " || fail "the page does not know exit code $option"; done
}
it "The manual pages render without a warning, and name every option and exit code of --help and no other" manuals

progress() { # long work tells where it is: on a terminal, not in a pipe
  "$I" mkfs -q --key-file key --size 128M long; "$I" mount long mnt -o keyfile=key; head -c 60000000 /dev/urandom >mnt/big; seq 1 3000 | sed 's|^|mnt/|' | xargs touch; "$I" umount mnt
  script -qec "'$I' fsck -n -f --key-file key long" /dev/null >"$WORK/terminal" </dev/null
  grep -aqE '%|/s|verified' "$WORK/terminal" || fail "fsck on a terminal shows no progress: $(head -c 300 "$WORK/terminal")"
  "$I" fsck -n -f --key-file key long >"$WORK/pipe" 2>&1; same "lines in a pipe" 1 "$(wc -l <"$WORK/pipe")"
}
it "fsck shows progress on a terminal and one line in a pipe" progress
