#!/usr/bin/env bash
# The main job, end to end, with nothing but this: installs what is missing, builds, and runs the demonstration town.
#   deploy/demo.sh [--keep | --leave DIR] [--json] [--seed N]
#     --keep    leaves the hub and three nodes running and says how to reach them
#     --leave DIR  stops everything and leaves the data in DIR
#     --json    prints the `count --json` document last, alone on stdout
#     --seed N  another made-up town; the figures stay the same
set -euo pipefail
cd "$(dirname "$0")/.."
case " $* " in *" --help "* | *" -h "*) sed -n 2,7p "$0"; exit 0 ;; esac
deploy/dependencies.sh build
built=$(deploy/build.sh release lastmile-hub lastmile-node | tail -1)
exec python3 deploy/demo/demo.py --bin "$built" "$@"
