#!/usr/bin/env bash
# Runs every libFuzzer target in turn at low priority: tests/fuzz/run.sh [--minutes N] (N of each target, 10 unless told). Needs clang.
# Prints executions, edges and inputs found for each; what it finds is kept in .build/fuzz/found/TARGET, a crash stops it with exit 1.
set -euo pipefail
cd "$(dirname "$0")/../.."
minutes=10
case "${1:-}" in
  '') ;;
  --minutes) minutes=${2:?--minutes takes a number} ;;
  *) sed -n 2,3p "$0" >&2; exit 2 ;;
esac
deploy/build.sh fuzz >/dev/null
printf '%-20s %12s %8s %8s\n' target executions edges inputs
for source in tests/fuzz/fuzz_*.c; do
  name=$(basename "$source" .c)
  found=.build/fuzz/found/$name
  mkdir -p "$found"
  if ! nice -n 19 ".build/fuzz/tests/$name" "$found" "tests/fuzz/corpus/$name" -max_total_time=$((minutes * 60)) -max_len=4096 \
    -artifact_prefix="$found-" -print_final_stats=1 >"$found.log" 2>&1; then
    tail -40 "$found.log"
    echo "$name: a finding; the input is $found-*" >&2
    exit 1
  fi
  printf '%-20s %12s %8s %8s\n' "$name" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$found.log")" \
    "$(grep -oE 'cov: [0-9]+' "$found.log" | tail -1 | cut -d' ' -f2)" "$(find "$found" -type f | wc -l)"
done
