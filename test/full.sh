#!/bin/sh
# `make check-full`: the numbers of the issues (HOWDAH_FULL=1) on the release build, then unit, sim,
# fuzz-smoke and integration tests under asan and tsan. Runs all of it and says at the end what failed.
set -u
cd "$(dirname "$0")/.."
jobs=$(nproc)
summary=
failed=0

step() {
  name=$1
  shift
  echo "== $name"
  if "$@"; then result=passed; else result=FAILED failed=1; fi
  summary="$summary$(printf '%-14s %s' "$name" "$result")
"
}

tests() {
  directory=$1
  shift
  (cd "$directory" && ctest --output-on-failure --no-tests=error "$@")
}

step build make --no-print-directory release
step release env HOWDAH_FULL=1 sh -c 'cd build/release && exec ctest --output-on-failure --no-tests=error --timeout 3600'
for simulation in sim_ledger sim_workers; do
  step "$simulation" "build/release/test/sim/$simulation" --seeds 20000
done
for kind in asan tsan; do
  step "$kind-build" make --no-print-directory "$kind-build"
  step "$kind" tests "build/$kind" -j "$jobs" -L 'unit|sim|fuzz-smoke|integration'
done
printf '\n%s' "$summary"
exit $failed
