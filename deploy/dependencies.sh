#!/usr/bin/env bash
# The one list of what Lastmile needs from Debian 12, and the one place that installs it.
#   deploy/dependencies.sh build    to build and run the programs and the demonstration
#   deploy/dependencies.sh test     that, and what the tests need besides
#   deploy/dependencies.sh --list   prints the package names
# Asks apt only for what is missing; needs root (or sudo) only then. Safe to run again.
set -euo pipefail

build=(gcc libc6-dev make cmake ninja-build pkg-config git ca-certificates
  libzmq3-dev libsqlite3-dev libsodium-dev libmicrohttpd-dev libjansson-dev libzstd-dev zlib1g-dev libicu-dev
  python3 iproute2)
test=(libcmocka-dev python3-zmq python3-msgpack python3-jsonschema chromium fonts-noto-cjk poppler-utils util-linux procps libasan8 libubsan1 libtsan2)

case "${1:-build}" in
  build) wanted=("${build[@]}") ;;
  test) wanted=("${build[@]}" "${test[@]}") ;;
  --list) printf '%s\n' "${build[@]}" nodejs npm "${test[@]}"; exit 0 ;;
  *) sed -n 2,6p "$0" >&2; exit 2 ;;
esac

# The page is built with npm. Debian's nodejs and npm are two packages; other sources have both in one, and do not go with Debian's npm.
if ! command -v npm >/dev/null; then
  if apt-cache policy nodejs 2>/dev/null | grep -q nodesource; then wanted+=(nodejs); else wanted+=(nodejs npm); fi
fi

missing=()
for package in "${wanted[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

echo "installing: ${missing[*]}" >&2
run=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "these packages are missing and only root can install them: ${missing[*]}" >&2; exit 1; }
  run=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${run[@]}" apt-get update -q && "${run[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -20 "$log" >&2
  echo "apt-get could not install what is missing; see above" >&2
  exit 1
fi
