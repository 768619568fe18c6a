#!/bin/sh
# Runs the same jobs alternately with Attention and with the PyTorch of this machine, and prints ratios of medians.
# usage: scripts/bench_vs_pytorch.sh [ROUNDS] [SECONDS] [JOB]   (rounds of each job, seconds of each run; 5 and 8 by default; JOB is a
# part of a job's name, such as AdamW, for that one alone)
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
rounds=${1:-5}
seconds=${2:-8}
job=${3:-}
for python in python3 /usr/bin/python3; do
  if "$python" -c 'import torch' 2>/dev/null; then
    exec "$python" "$root/scripts/bench/compare.py" "$rounds" "$seconds" "$job"
  fi
done
echo "error: no python3 with torch was found" >&2
echo "       On Debian: apt-get install python3-torch" >&2
exit 2
