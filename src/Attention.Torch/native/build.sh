#!/bin/sh
# Builds the native part into the folder $1. Prints nothing but errors when all goes well.
set -eu
source_dir=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
log="$1/build.log"
# A tree that was moved or copied starts anew: CMake refuses a cache from another place.
if [ -f "$1/CMakeCache.txt" ] && ! grep -q "^CMAKE_HOME_DIRECTORY:INTERNAL=$source_dir\$" "$1/CMakeCache.txt"; then
  rm -rf "$1/CMakeCache.txt" "$1/CMakeFiles"
fi
if ! { cmake -S "$source_dir" -B "$1" && cmake --build "$1" --parallel "$(nproc)"; } >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
touch "$1/libattention_torch.so"
