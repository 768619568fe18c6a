#!/bin/sh
# Runs the same jobs alternately with Attention and with the PyTorch of this machine, and prints ratios of medians.
# usage: scripts/bench_vs_pytorch.sh [ROUNDS] [SECONDS] [PART]   (rounds of each job, seconds of each run, 5 and 8 by default;
#        only the jobs whose name has the part)
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
rounds=${1:-5}
seconds=${2:-8}
for python in python3 /usr/bin/python3; do
  if "$python" -c 'import torch' 2>/dev/null; then
    exec "$python" "$root/scripts/bench/compare.py" "$rounds" "$seconds" "${3:-}"
  fi
done
echo "error: no python3 with torch was found" >&2
echo "       On Debian: apt-get install python3-torch" >&2
exit 2
