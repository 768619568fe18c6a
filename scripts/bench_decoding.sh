#!/bin/sh
# Decodes a GPT-2 of 124 M parameters alternately with Attention and with the PyTorch of this machine, and prints ratios of medians.
# usage: scripts/bench_decoding.sh [ROUNDS] [TOKENS]   (3 and 1000 by default)
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
for python in python3 /usr/bin/python3; do
  if "$python" -c 'import torch' 2>/dev/null; then
    exec "$python" "$root/scripts/bench/decoding.py" "${1:-3}" "${2:-1000}"
  fi
done
echo "error: no python3 with torch was found" >&2
echo "       On Debian: apt-get install python3-torch" >&2
exit 2
