#!/bin/sh
# Every queued job is there and whole: queue_check.sh DIRECTORY
while read -r _ n; do
    [ "$(cat "$1/jobs/$n" 2>/dev/null)" = "job $n: done" ] || { echo "job $n was queued and is lost"; exit 1; }
done <"$CRASHTEST_STDOUT"
