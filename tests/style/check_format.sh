#!/usr/bin/env bash
# Every C++ and CUDA file is as clang-format 14 leaves it. Exit code 77 (skipped) where that version is
# not installed: others format differently.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

formatter="$(command -v clang-format-14 || command -v clang-format || true)"
if [ -z "$formatter" ] || ! "$formatter" --version | grep -q 'version 14\.'; then
  echo "clang-format 14 is not installed: skipped" >&2
  exit 77
fi
find datasets calib metrics runners reports tests -name '*.cc' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' |
  xargs "$formatter" --dry-run --Werror
