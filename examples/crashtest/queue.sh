#!/bin/sh
# A queue in the shell: each job is a file, put in place by mv after sync. Marks say where the program is, so that a
# report can say between which of them a failing crash lies. Run by 'integrityfs crashtest record'.
set -e
mkdir jobs
sync .
for n in 1 2 3; do
    "${INTEGRITYFS:-integrityfs}" crashtest mark "job $n"
    echo "job $n: done" >"jobs/$n.new"
    sync "jobs/$n.new"
    mv "jobs/$n.new" "jobs/$n"
    sync jobs
    echo "queued $n"
done
