#!/usr/bin/env bash
# The tarball for machines without root: built, unpacked somewhere, its programs use the libraries in it.
#   tarball_test.sh BUILD_FOLDER SOURCE_FOLDER TORCH_LIBRARY_PATH
# Needs patchelf on PATH. Not part of CI (300 MB are copied and compressed).
set -euo pipefail
readonly BUILD="$1" SOURCE="$2" TORCH_PATH="$3"
FOLDER="$(mktemp -d)"
trap 'rm -rf "$FOLDER"' EXIT
fail() { printf '%s\n' "$*" >&2; exit 1; }

start=$SECONDS
(cd "$BUILD" && cpack -G TGZ -B "$FOLDER/tgz" >"$FOLDER/log" 2>&1) || fail "$(tail -20 "$FOLDER/log")"
tarball="$(ls "$FOLDER"/tgz/*.tar.gz)"
echo "built: $((SECONDS - start)) s, $(basename "$tarball"), $(($(stat -c %s "$tarball") / 1000000)) MB"
tar -xzf "$tarball" -C "$FOLDER"
prefix="$(ls -d "$FOLDER"/teacache-toolkit-*)"
bin() { local program="$1"; shift; env -i HOME="$FOLDER" PATH=/usr/bin:/bin "$prefix/bin/$program" "$@"; }

for program in fit-coeffs eval-metrics; do
  outside="$(env -i ldd "$prefix/bin/$program" | awk '$2 == "=>" {print $3}' | grep -v "^$prefix" |
    grep -Ev '/(libc|libm|libdl|libpthread|librt|libresolv|libutil|libnsl)\.so' || true)"
  [ -z "$outside" ] || fail "$program uses libraries of the system: $outside"
done
cd "$FOLDER"
printf 'x,y\n0.1,0.3\n0.2,0.5\n0.3,0.7\n0.4,0.9\n0.5,1.1\n' >pairs.csv
bin fit-coeffs pairs.csv --degree 1 --out coeffs.json >/dev/null || fail "fit-coeffs"
videos="$SOURCE/tests/golden/metrics/lossless"
bin eval-metrics --gt "$videos/oddraw_gt_png" --gen "$videos/oddraw_gen_png" --metrics psnr,ssim >out || fail "$(cat out)"
env -i HOME="$FOLDER" PATH=/usr/bin:/bin LD_LIBRARY_PATH="$TORCH_PATH" "$prefix/bin/generate-videos" --demo 1 --steps 2 \
  --out run >out 2>&1 || fail "generate-videos: $(cat out)"
echo "unpacked and used: as it should be ($(du -sm "$prefix" | cut -f1) MB)"
