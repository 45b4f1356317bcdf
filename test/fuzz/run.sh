#!/bin/sh
# Fuzzes every target for a while: run.sh BUILD_DIR SECONDS. What is found is left in
# BUILD_DIR/found and belongs into a unit test; new coverage grows BUILD_DIR/corpus.
set -eu
build=$1
seconds=$2
source=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$build/found"
for target in "$build"/test/fuzz/fuzz_*; do
  [ -f "$target" ] && [ -x "$target" ] || continue
  name=$(basename "$target")
  subject=${name#fuzz_}
  mkdir -p "$build/corpus/$subject"
  set -- "$build/corpus/$subject"
  [ ! -d "$source/corpus/$subject" ] || set -- "$@" "$source/corpus/$subject"
  echo "$name: $seconds s"
  "$target" -max_total_time="$seconds" -print_final_stats=1 -artifact_prefix="$build/found/" "$@"
done
