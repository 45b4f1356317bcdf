#!/bin/sh
# make bench: run.sh BUILD_DIRECTORY [options of bench]. BENCH_ROUNDS and BENCH_SECONDS are honoured.
set -eu
build=$1
shift
exec "$(dirname "$0")/bench" --programs "$build/test/bench" --howdah "$build/howdah" "$@"
