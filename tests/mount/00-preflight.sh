#!/bin/bash
# Can a volume be formatted, mounted, written, read and unmounted here at all?
. "$(dirname "$0")/lib.bash"

start first 64M

writes_and_reads() {
  echo hello >"$(dir_of first)/file"
  same content hello "$(cat "$(dir_of first)/file")"
}
it "A file that was written reads back" writes_and_reads

survives_remount() {
  remount_volume first
  same content hello "$(cat "$(dir_of first)/file")"
}
it "A file survives unmount and mount" survives_remount
finish first
