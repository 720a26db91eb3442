#!/usr/bin/env bash
# What exceeds its share of CI: the tests of ctest's label `long` and those of the Python package that are
# marked so. After ./build.sh test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

ctest --test-dir build/release --output-on-failure --no-tests=error --label-regex '^long$'
# The build of the GPU run: nothing else compiles it as it is there.
if command -v nvcc >/dev/null; then
  tests/gpu/run.sh --pack build/gpu-kit
  tests/gpu/run.sh --kit build/gpu-kit --build build/gpu --only build --architecture 90 --limit 7200 --out build/gpu-out
fi
TEACACHE_BIN_DIR="$PWD/build/release/bin" tests/python/run.sh -m long || [ $? -eq 77 ]
