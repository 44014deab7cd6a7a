#!/usr/bin/env bash
# Configures and builds one preset: deploy/build.sh release [TARGET…]. Prints the build folder on its last line.
# Output of a build that works is kept out of the way; of one that fails it is shown.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:?preset}
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { cmake --preset "$preset" && cmake --build --preset "$preset" ${1:+--target "$@"}; } >"$log" 2>&1; then
  grep -nE 'error|Error|FAILED' "$log" | head -40 >&2
  tail -30 "$log" >&2
  exit 1
fi
echo "$PWD/.build/$preset"
