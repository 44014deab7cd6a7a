#!/usr/bin/env bash
# Builds one page into .build/web/SIDE: deploy/web.sh node, hub or node/villages. Installs what package-lock.json names (npm ci) when that has
# changed, checks types, bundles, and writes assets.c and assets.S for the program. What was built from the same sources is kept: each preset's
# ninja runs this once, because it knows only its own log.
set -euo pipefail
cd "$(dirname "$0")/.."
side=${1:?side}
out=$PWD/.build/web/$side
mkdir -p "$out"
exec 9>.build/web/lock
flock 9
made_from=$(find common/web node/web hub/web deploy/web.sh -name node_modules -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
if [ -s "$out/assets.S" ] && [ "$(cat "$out/made_from" 2>/dev/null)" = "$made_from" ]; then
  touch "$out/assets.c" "$out/assets.S"
  exit
fi
rm -f "$out/made_from"
cd common/web
if ! cmp -s package-lock.json node_modules/.lastmile-lock; then
  npm ci --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/.lastmile-lock
fi
if [ "$(cat ../../.build/web/types 2>/dev/null)" != "$made_from" ]; then
  npx tsc --noEmit -p tsconfig.json
  echo "$made_from" >../../.build/web/types
fi
LASTMILE_WEB_OUT=$out/dist npx vite build --mode "$side" --logLevel warn
node embed.mjs "$out/dist" "$out" "lm_${side//\//_}_assets"
echo "$made_from" >"$out/made_from"
