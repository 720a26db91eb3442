#!/usr/bin/env bash
# `build.sh demo` fetches LPIPS's small network when it can: never in more than 10 seconds, and never
# with another exit code. Against a server on this machine that has the file, lacks it, has another
# one, or does not answer.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/test_server.sh"

# The file of the test stands in for the published one: same name, its own digest.
printf 'a small network' >"$FOLDER/served"
printf 'linear heads' >"$FOLDER/heads"
digest() { sha256sum "$1" | cut -d' ' -f1; }

# run CASE: fetch_small_lpips of a fresh shell; prints what it prints, then its exit code and seconds.
run() {
  local start=$SECONDS
  rm -rf "$FOLDER/weights"
  mkdir -p "$FOLDER/weights/lpips"
  cp "$FOLDER/heads" "$FOLDER/weights/lpips/squeeze.pth"
  for head in alex vgg; do cp "$FOLDER/heads" "$FOLDER/weights/lpips/$head.pth"; done
  TEACACHE_WEIGHTS="$FOLDER/weights" TEACACHE_WEIGHTS_SOURCE="$(server "$1")" bash -euo pipefail -c '
    source "$0"
    for file in alex.pth squeeze.pth vgg.pth; do LPIPS_DIGESTS[$file]='"$(digest "$FOLDER/heads")"'; done
    LPIPS_DIGESTS[squeezenet1_1-b8a52dc0.pth]='"$(digest "$FOLDER/served")"'
    fetch_small_lpips
    if has_lpips squeezenet1_1-b8a52dc0.pth squeeze.pth; then echo "complete"; fi
    ls -A "$WEIGHTS_DIR"' "$BUILD_SH" >"$FOLDER/out" 2>&1 || fail "$1: exit code $?: $(cat "$FOLDER/out")"
  [ $((SECONDS - start)) -le 14 ] || fail "$1: took $((SECONDS - start)) s"
}

run present
grep -q '^complete$' "$FOLDER/out" || fail "present: not fetched: $(cat "$FOLDER/out")"
for case in absent wrong slow; do
  run "$case"
  ! grep -q '^complete$' "$FOLDER/out" || fail "$case: taken for the network"
  grep -q 'could not be fetched' "$FOLDER/out" || fail "$case: not said: $(cat "$FOLDER/out")"
  ! grep -Eq '\.part$|^squeezenet' "$FOLDER/out" || fail "$case: left behind: $(cat "$FOLDER/out")"
done
echo "present, absent, wrong, slow: as they should be"
