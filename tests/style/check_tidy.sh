#!/usr/bin/env bash
# check_tidy.sh BUILD_FOLDER: clang-tidy 14 over datasets and calib, warnings as errors; without the
# static analyser, which `cmake --preset tidy` adds over the whole tree. Files that include LibTorch
# are left to that preset too: their precompiled header is GCC's. Exit code 77 where clang-tidy 14 is
# not installed.
set -euo pipefail
build="$(cd "$1" && pwd)"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

tidy="$(command -v clang-tidy-14 || command -v clang-tidy || true)"
if [ -z "$tidy" ] || ! "$tidy" --version | grep -q 'version 14\.'; then
  echo "clang-tidy 14 is not installed: skipped" >&2
  exit 77
fi
find datasets calib -name '*.cc' ! -path '*/torch_tensors.cc' ! -path '*/torch_device.cc' -print0 |
  xargs -0 -n 2 -P "$(nproc)" "$tidy" -p "$build" --quiet --checks='-clang-analyzer-*' --warnings-as-errors='*' \
    --extra-arg=-Wno-unknown-warning-option 2> >(grep -v 'warnings generated' >&2)
