#!/bin/sh
# Times the operators of detectors alternately with Attention and with the torchvision of this machine, and prints ratios of medians.
# usage: scripts/bench_dense.sh [ROUNDS] [SECONDS] [PART]   (rounds, seconds of each case, 3 and 2 by default; only the cases whose
#        name has the part)
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
for python in python3 /usr/bin/python3; do
  if "$python" -c 'import torchvision' 2>/dev/null; then
    exec "$python" "$root/scripts/bench/dense.py" "${1:-3}" "${2:-2}" "${3:-}"
  fi
done
echo "error: no python3 with torchvision was found" >&2
echo "       On Debian: apt-get install python3-torchvision" >&2
exit 2
