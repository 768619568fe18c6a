#!/bin/sh
# Runs all tests: sets the machine up, builds, checks the format, tests. The last line reads "N passed, N failed".
# usage: scripts/test.sh [--filter EXPRESSION]   (as in dotnet test: part of a test's full name, or Category=...)
set -u
root=$(cd "$(dirname "$0")/.." && pwd -P)
. "$root/scripts/lib.sh"

finish() { # finish PASSED FAILED SKIPPED
  if [ "$3" = 0 ]; then echo "$1 passed, $2 failed"; else echo "$1 passed, $2 failed, $3 skipped"; fi
  [ "$2" = 0 ] && [ "$1" != 0 ]
  exit
}
give_up() {
  echo "$1" >&2
  finish 0 1 0
}

filter=''
case $#:${1:-} in
  0:) ;;
  2:--filter) filter=$2 ;;
  *) give_up "usage: scripts/test.sh [--filter EXPRESSION]" ;;
esac

"$root/scripts/setup.sh" || give_up "error: the set-up failed"
find_dotnet
read_flavour
cd "$root" || exit 1

build Attention.sln "" || give_up "error: the build failed"

failed_checks=0
dotnet format whitespace . --folder --verify-no-changes --exclude artifacts || {
  printf "error: the format differs from .editorconfig\nhint: run: %s\n" "dotnet format whitespace . --folder --exclude artifacts" >&2
  failed_checks=1
}

# Each test assembly counts its results in a file; a test host that dies leaves none, and fails the run by its exit code.
results=$artifacts/results
rm -rf "$results"
echo "Testing"
set -- "$artifacts/$flavour"/bin/*.Tests/release/*.Tests.dll
[ -z "$filter" ] || set -- "$@" --filter "$filter"
status=0
dotnet test "$@" --logger "console;verbosity=minimal" --logger "trx;LogFileName=tests.trx" --results-directory "$results" \
  --blame-hang-timeout 15m --blame-hang-dump-type none || status=$?

count() { # count NAME: the sum of this attribute over the files of results
  sed -n "/<Counters /s/.* $1=\"\([0-9]*\)\".*/\1/p" "$results"/*.trx 2>/dev/null | awk '{ sum += $1 } END { print sum + 0 }'
}
# Why tests were skipped, each reason once.
sed -n '/outcome="NotExecuted"/,/<\/UnitTestResult>/s/.*<Message>\(.*\)<\/Message>.*/\1/p' "$results"/*.trx 2>/dev/null | sort | uniq -c |
  while read -r times reason; do echo "skipped $times: $reason"; done
passed=$(count passed)
failed=$(($(count failed) + $(count error) + $(count timeout) + $(count aborted)))
skipped=$(($(count total) - $(count executed)))
[ "$status" = 0 ] || [ "$failed" != 0 ] || failed=1
[ "$passed" != 0 ] || [ "$failed" != 0 ] || failed=1
finish "$passed" $((failed + failed_checks)) "$skipped"
