#!/usr/bin/env bash
# The wheel as it is given to others: built with LibTorch, its libraries packed in by auditwheel, installed
# into a fresh environment (no compiler, no PATH but the system's) and used. Prints sizes and times.
#   wheel_test.sh [WHEEL_FOLDER]     keeps the wheel there; needs tests/python/run.sh's environments
# Not part of CI: it compiles the models once more.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
FOLDER="$(mktemp -d)"
trap 'rm -rf "$FOLDER"' EXIT
fail() { printf '%s\n' "$*" >&2; exit 1; }
readonly DEPS_DIR="${TEACACHE_DEPS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/teacache-toolkit}"
readonly TOOLS="$DEPS_DIR/python-tools" TORCH_ENVIRONMENT="$DEPS_DIR/python-tests"
readonly OUT="${1:-$FOLDER/wheel}"
[ -x "$TOOLS/bin/auditwheel" ] || fail "run tests/python/run.sh first: it makes the environments"

start=$SECONDS
CXX=c++ TEACACHE_LIBTORCH=ON PATH="$TOOLS/bin:$PATH" CMAKE_BUILD_PARALLEL_LEVEL="${TEACACHE_JOBS:-$(nproc)}" \
  "$TOOLS/bin/pip" wheel --quiet --disable-pip-version-check --no-build-isolation --no-deps \
  --config-settings build-dir=build/python-release --config-settings cmake.define.TEACACHE_WERROR=ON \
  --config-settings "cmake.define.TEACACHE_DEPS_DIR=$DEPS_DIR" --wheel-dir "$FOLDER/built" .
echo "built: $((SECONDS - start)) s"

# LibTorch is the user's; everything else but glibc's own libraries goes in.
start=$SECONDS
PATH="$TOOLS/bin:$PATH" "$TOOLS/bin/auditwheel" repair --strip --zip-compression-level 9 --exclude 'libtorch*' --exclude 'libc10*' \
  --wheel-dir "$OUT" "$FOLDER"/built/*.whl >"$FOLDER/log" 2>&1 || fail "$(tail -20 "$FOLDER/log")"
wheel="$(ls "$OUT"/*.whl)"
megabytes=$(($(stat -c %s "$wheel") / 1000000))
echo "packed: $((SECONDS - start)) s, $(basename "$wheel"), $megabytes MB"
[ "$megabytes" -le 100 ] || echo "the wheel has more than the 100 MB that it should have at most" >&2

# Without torch.
start=$SECONDS
"$TOOLS/bin/python" -m venv "$FOLDER/venv"
"$FOLDER/venv/bin/pip" install --quiet --disable-pip-version-check "$wheel"
in_venv() { env -i HOME="$FOLDER" PATH="$FOLDER/venv/bin:/usr/bin:/bin" "$@"; }
readonly VIDEOS="$PWD/tests/golden/metrics/lossless"
cd "$FOLDER"
printf 'x,y\n0.1,0.3\n0.2,0.5\n0.3,0.7\n0.4,0.9\n0.5,1.1\n' >pairs.csv
in_venv fit-coeffs pairs.csv --degree 1 --out coeffs.json --report fit.html >/dev/null
in_venv teacache eval --gt "$VIDEOS/oddraw_gt_png" --gen "$VIDEOS/oddraw_gen_png" --metrics psnr,ssim >out
grep -q psnr out || grep -qi PSNR out || fail "$(cat out)"
in_venv python - <<PYTHON
import numpy as np, teacache
a = np.zeros((64, 64, 3), np.uint8)
assert round(teacache.psnr(a, a + 1), 2) == 48.13
(record,) = teacache.evaluate("$VIDEOS/oddraw_gt_png", "$VIDEOS/oddraw_gen_png", metrics="psnr")
assert record["error"] is None, record
libraries = {line.split()[-1] for line in open("/proc/self/maps") if "libavcodec" in line}
assert libraries and all("teacache_toolkit.libs" in name for name in libraries), libraries
PYTHON
if in_venv generate-videos --help >out 2>&1; then fail "generate-videos ran without torch"; fi
grep -q 'needs torch ==2.11' out || fail "$(cat out)"
echo "without torch: $((SECONDS - start)) s"

# With torch: that of the tests' environment.
start=$SECONDS
find "$TORCH_ENVIRONMENT/lib" -maxdepth 2 -name site-packages >"$(find venv/lib -maxdepth 2 -name site-packages)/torch.pth"
in_venv generate-videos --demo 1 --steps 2 --out run >out 2>&1 || fail "generate-videos: $(cat out)"
in_venv python - <<'PYTHON'
import numpy as np, teacache
a = np.zeros((64, 64, 3), np.uint8)
try:
    teacache.lpips(a, a + 1, weights="nowhere")
except teacache.TeaCacheError as error:
    assert "not installed" not in str(error) and "nowhere" in str(error), error
PYTHON
echo "with torch: $((SECONDS - start)) s"
