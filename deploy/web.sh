#!/usr/bin/env bash
# Builds one page into .build/web/SIDE: deploy/web.sh node, hub or node/villages. Installs what package-lock.json names (npm ci) when that has
# changed, checks types, bundles, and writes assets.c and assets.S for the program.
set -euo pipefail
cd "$(dirname "$0")/.."
side=${1:?side}
out=$PWD/.build/web/$side
mkdir -p "$out"
exec 9>.build/web/lock
flock 9
cd common/web
if ! cmp -s package-lock.json node_modules/.lastmile-lock; then
  npm ci --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/.lastmile-lock
fi
npx tsc --noEmit -p tsconfig.json
LASTMILE_WEB_OUT=$out/dist npx vite build --mode "$side" --logLevel warn
node embed.mjs "$out/dist" "$out" "lm_${side//\//_}_assets"
