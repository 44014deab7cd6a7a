#!/usr/bin/env bash
# All tests, from a clean clone on a bare Debian 12: installs what is missing, builds, runs. Safe to run again.
#   tests/run.sh [--quick] [--only PATTERN] [--seed N]
#     --quick         unit tests and fuzz corpora only
#     --only PATTERN  a regular expression: unit programs (unit.test_merge), end-to-end tests (test_entry.BadLines.test_bad_dates), tsan, pages, demo, simulation, broken
#     --seed N        another order of kills
# One line a group; what failed is shown in full. The last line is `N passed, N failed` (and `, N skipped`); exit 1 if any failed.
set -uo pipefail
cd "$(dirname "$0")/.."

quick='' only='' seed=1
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=1 ;;
    --only) only=${2:?--only takes a pattern}; shift ;;
    --seed) seed=${2:?--seed takes a number}; shift ;;
    -h | --help) sed -n 2,8p "$0"; exit 0 ;;
    *) echo "unknown option $1" >&2; sed -n 2,8p "$0" >&2; exit 2 ;;
  esac
  shift
done

work=$(mktemp -d "${TMPDIR:-/tmp}/lastmile-tests.XXXXXX")
trap '[ -z "${behind:-}" ] || kill -- "-$behind" 2>/dev/null; rm -rf "$work"' EXIT
python=/usr/bin/python3
jobs=$(nproc)
export PYTHONDONTWRITEBYTECODE=1 CMAKE_BUILD_PARALLEL_LEVEL=$jobs
command -v ccache >/dev/null && export CMAKE_C_COMPILER_LAUNCHER=ccache

passed=0 failed=0 skipped=0
began=$SECONDS

finish() {
  echo "all tests took $((SECONDS - began)) s"
  if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
  else
    echo "$passed passed, $failed failed"
  fi
  [ "$failed" -eq 0 ]
  exit
}

# group NAME PASSED FAILED SKIPPED SECONDS
group() {
  passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
  printf '%-4s %-24s %4d passed, %d failed%s  %d s\n' "$([ "$3" -eq 0 ] && echo ok || echo FAIL)" "$1" "$2" "$3" \
    "$([ "$4" -gt 0 ] && echo ", $4 skipped")" "$5"
}

# build PRESET [TARGET…]: a build that fails is a failed test, and the end.
build() {
  local start=$SECONDS
  if deploy/build.sh "$@" >"$work/build" 2>&1; then
    printf 'ok   %-24s %d s\n' "build $1" $((SECONDS - start))
  else
    cat "$work/build"
    group "build $1" 0 1 0 $((SECONDS - start))
    finish
  fi
}

# run_ctest NAME FOLDER ARGUMENTS…
run_ctest() {
  local name=$1 folder=$2 start=$SECONDS total bad
  shift 2
  ctest --test-dir "$folder" -j "$jobs" --output-on-failure --timeout 600 --no-tests=ignore "$@" >"$work/ctest" 2>&1
  local code=$?
  total=$(sed -nE 's/.*tests failed out of ([0-9]+).*/\1/p' "$work/ctest")
  bad=$(sed -nE 's/.*, ([0-9]+) tests failed out of.*/\1/p' "$work/ctest")
  if [ -z "$total" ]; then
    [ "$code" -eq 0 ] && return # none of that name
    cat "$work/ctest"
    total=1 bad=1
  fi
  [ "$bad" -eq 0 ] || cat "$work/ctest"
  group "$name" $((total - bad)) "$bad" 0 $((SECONDS - start))
}

# run_e2e NAME BIN PATTERN [ENV=VALUE…]
run_e2e() {
  local name=$1 bin=$2 pattern=$3 start=$SECONDS p f s
  shift 3
  if [ -n "$only" ]; then
    "$python" tests/e2e/run.py --list --only "$pattern" | grep -E "$only" >"$work/list"
    [ -s "$work/list" ] || return
    pattern="^($(sed 's/[.]/[.]/g' "$work/list" | paste -sd'|'))$"
  fi
  env "$@" "$python" tests/e2e/run.py --bin "$bin" --release .build/release --jobs $((jobs + 1)) --seed "$seed" --only "$pattern" 2>&1 | tee "$work/e2e" | sed -u '$d'
  read -r p f s < <(tail -1 "$work/e2e" | sed -nE 's/^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$/\1 \2 0\4/p')
  if [ -z "${p:-}" ]; then
    tail -1 "$work/e2e"
    p=0 f=1 s=0
  fi
  group "$name" "$p" "$f" "$((10#$s))" $((SECONDS - start))
}

wants() { [ -z "$only" ] || printf '%s\n' "$@" | grep -qE "$only"; }

deploy/dependencies.sh test || { group dependencies 0 1 0 0; finish; }
if [ -z "$quick" ]; then build release lastmile-hub lastmile-node lastmile-sim; fi
build dev
run_ctest "unit (ASan, UBSan)" .build/dev -E '^fuzz' ${only:+-R "$only"}
run_ctest "fuzz corpora" .build/dev -R "^fuzz.*${only:-}"
[ -n "$quick" ] && finish

# What only computes takes what the end-to-end tests and the pages leave of the processors while they wait (nice 19), and the rest at the
# end: two more builds, thousands of made-up towns, each from a number (tests/sim/main.c says how to see one again), and mistakes made on
# purpose that those must notice.
behind() {
  if wants broken; then deploy/build.sh broken lastmile-sim; fi
  if wants tsan; then deploy/build.sh tsan $tsan; fi
  flock -u 9
  if wants simulation; then
    start=$SECONDS
    .build/release/tests/lastmile-sim --file tests/sim/seeds.txt --seeds 1000 --jobs "$jobs" --minutes 40 >"$work/sim" 2>&1
    code=$?
    .build/release/tests/lastmile-sim --first 1 --seeds 10 --jobs "$jobs" --twice >>"$work/sim" 2>&1 || code=1
    echo $code $((SECONDS - start)) >"$work/sim.end"
  fi
  if wants broken; then
    start=$SECONDS
    "$python" tests/sim/broken.py --jobs "$jobs" >"$work/broken" 2>&1
    echo $? $((SECONDS - start)) >"$work/broken.end"
  fi
}
tsan='lastmile-hub lastmile-node test_common_control test_common_transport test_common_http'
exec 9>"$work/lock"
flock 9
set -m # a process group, to be ended as one
(
  renice -n 19 $BASHPID >/dev/null
  behind
) >"$work/behind" 2>&1 &
behind=$!
set +m
exec 9>&-

run_e2e "end to end (ASan, UBSan)" .build/dev '^test_(?!crash|chaos)'
run_e2e "kill -9 rounds" .build/release '^test_(crash|chaos)'

# What it leaves, the data of 64 real nodes, is looked at by whole-town.test.mjs.
if wants demo; then
  start=$SECONDS
  if deploy/demo.sh --leave "$work/town" >"$work/demo" 2>&1; then
    grep -E '^(上报|覆盖|verify|用时)' "$work/demo" | sed 's/^/  /'
    group demonstration 1 0 0 $((SECONDS - start))
  else
    cat "$work/demo"
    group demonstration 0 1 0 $((SECONDS - start))
  fi
fi

# Pages in a real browser. node:test's own report says how many.
if wants pages; then
  start=$SECONDS
  (cd tests/web && { cmp -s package-lock.json node_modules/.lastmile-lock || { npm ci --no-audit --no-fund --loglevel=error && cp package-lock.json node_modules/.lastmile-lock; }; }) >"$work/npm" 2>&1 ||
    cat "$work/npm"
  [ -d "$work/town" ] && export LASTMILE_TOWN=$work/town
  # What people and attackers put in meets the sanitizers; what is looked at meets the programs that a town installs.
  typed='hostile|entry|import|interrupted'
  pages() { # BIN FILES…
    LASTMILE_BIN=$1 node --test --test-concurrency=2 --test-reporter=tap "${@:2}" >"$work/pages.one" 2>&1
    cat "$work/pages.one" >>"$work/pages"
    counted=$(sed -nE 's/^# (pass|fail) ([0-9]+)$/\2/p' "$work/pages.one" | paste -sd' ')
    echo "${counted:-0 1}" # a runner that died counts nothing
  }
  p=0 f=0
  while read -r p1 f1; do
    p=$((p + ${p1:-0})) f=$((f + ${f1:-1}))
  done < <(
    pages .build/dev $(ls tests/web/*.test.mjs | grep -E "/($typed)[.]")
    pages .build/release $(ls tests/web/*.test.mjs | grep -vE "/($typed)[.]")
  )
  [ "$p" -gt 0 ] || f=$((f + 1))
  if [ "$f" -ne 0 ]; then cat "$work/pages"; fi
  group "pages (Chromium)" "$p" "$f" 0 $((SECONDS - start))
fi

threaded='^unit.test_common_(control|transport|http)$'
served='^test_(network.Processes|town.Page.test_approve|hostile.Protocol|main.MainPath.test_background_sync|hostile.Hostile.test_(flood|many_connections|revoked))'
if wants tsan; then
  exec 8>"$work/lock"
  flock 8 # until the builds behind are made
  build tsan $tsan
  export TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp"
  keep=$only only=''
  run_ctest "threads (TSan), units" .build/tsan -R "$threaded"
  run_e2e "threads (TSan), serving" .build/tsan "$served" LASTMILE_SLOW=3 LASTMILE_TSAN_SUPPRESSIONS="$PWD/tests/tsan.supp"
  only=$keep
fi

wait "$behind"
behind=''
if wants simulation; then
  read -r code took <"$work/sim.end" || { cat "$work/behind"; code=1 took=0; }
  s=$(sed -nE 's/^([0-9]+) seeds from 1 in .*/\1/p' "$work/sim" | head -1)
  # A known fault is said, and does not fail the run: tests/sim/seeds.txt, lines with "known".
  k=0
  known=$(sed -nE 's/^([0-9]+) +# known: .*/seed=\1 /p' tests/sim/seeds.txt)
  if [ -n "$known" ] && grep '^FAIL' "$work/sim" | grep -qF "$known"; then
    grep '^FAIL' "$work/sim" | grep -F "$known" | sed 's/^FAIL/  known fault:/' | cut -c1-160 | sort -u | tee "$work/known"
    k=$(wc -l <"$work/known")
    grep '^FAIL' "$work/sim" | grep -qvF "$known" || code=0
  fi
  f=$(grep '^FAIL' "$work/sim" | { if [ -n "$known" ]; then grep -cvF "$known"; else grep -c .; fi; })
  [ "$code" -eq 0 ] || { cat "$work/sim"; [ "$f" -gt 0 ] || f=1; }
  group simulation "$((${s:-0} - f - k > 0 ? ${s:-0} - f - k : 0))" "$f" "$k" "$took"
fi

if wants broken; then
  build broken lastmile-sim # says it when it failed
  read -r _ took <"$work/broken.end" || { cat "$work/behind"; took=0; }
  read -r p f < <(tail -1 "$work/broken" | sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p')
  grep -E '^(ok|FAIL)' "$work/broken" | cut -c1-150 | sed 's/^/  /'
  [ -n "${p:-}" ] || { cat "$work/broken"; p=0 f=1; }
  group "broken on purpose" "$p" "$f" 0 "$took"
fi

finish
