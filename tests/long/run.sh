#!/usr/bin/env bash
# What exceeds its share of CI: the tests of ctest's label `long` and those of the Python package that are
# marked so. After ./build.sh test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

ctest --test-dir build/release --output-on-failure --no-tests=error --label-regex '^long$'
TEACACHE_BIN_DIR="$PWD/build/release/bin" tests/python/run.sh -m long || [ $? -eq 77 ]
