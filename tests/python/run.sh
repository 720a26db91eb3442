#!/usr/bin/env bash
# Runs the tests of the Python package: builds its wheel (build/python), installs that into a folder of
# the build tree, and tests it in an environment with PyTorch (about 4 GB) and in one without. Both are
# made once, in the folder of dependencies. Arguments go to pytest. Exit code 77: the packages cannot
# be had.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

DEPS_DIR="${TEACACHE_DEPS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/teacache-toolkit}"
SITE="$PWD/build/python/site"

skip() {
  echo "tests/python: skipped: $*" >&2
  exit 77
}

# The pinned versions have wheels for these.
find_python() {
  local python
  for python in python3.11 python3.12 python3.13 python3; do
    if "$python" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
        2>/dev/null; then
      echo "$python"
      return
    fi
  done
  return 1
}

# environment NAME REQUIREMENTS: made once, and again when the requirements change.
environment() {
  local folder="$DEPS_DIR/$1" python
  if cmp -s "$2" "$folder/installed"; then return; fi
  mkdir -p "$DEPS_DIR"
  exec 9>"$DEPS_DIR/.$1.lock"
  flock 9  # two runs do not install into each other
  if ! cmp -s "$2" "$folder/installed"; then
    python=$(find_python) || skip "Python 3.11 to 3.13 with the module venv is not installed"
    echo "tests/python: installing $2 into $folder"
    rm -rf "$folder"
    "$python" -m venv "$folder" || skip "$python -m venv fails (package python3-venv?)"
    "$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$2" ||
      skip "the packages cannot be installed"
    cp "$2" "$folder/installed"
  fi
  exec 9>&-
}

# Compiled as the main build is, so that its compiler cache answers; without LibTorch, which the main
# build tests.
build_wheel() {
  echo "tests/python: building the wheel"
  rm -rf build/python/wheel
  CXX=c++ TEACACHE_LIBTORCH=OFF PATH="$DEPS_DIR/python-tools/bin:$PATH" \
    CMAKE_BUILD_PARALLEL_LEVEL="${TEACACHE_JOBS:-$(nproc)}" \
    "$DEPS_DIR/python-tools/bin/pip" wheel --quiet --disable-pip-version-check --no-build-isolation --no-deps \
    --config-settings cmake.define.TEACACHE_WERROR=ON --config-settings "cmake.define.TEACACHE_DEPS_DIR=$DEPS_DIR" \
    --wheel-dir build/python/wheel .
  rm -rf "$SITE"
  "$DEPS_DIR/python-tools/bin/pip" install --quiet --disable-pip-version-check --no-deps --target "$SITE" \
    build/python/wheel/*.whl
}

environment python-tests tests/python/requirements.txt
environment python-tools tests/python/tools.txt
build_wheel
[ "${1:-}" != build ] || exit 0

# One thread: the models are tiny.
export OMP_NUM_THREADS=1 PYTHONPATH="$SITE"
export TEACACHE_BIN_DIR="${TEACACHE_BIN_DIR:-$PWD/build/release/bin}"
if [ -e "$TEACACHE_BIN_DIR/../lib/teacache" ]; then  # LPIPS
  TEACACHE_MODULES="$(cd "$TEACACHE_BIN_DIR/../lib/teacache" && pwd)"
  export TEACACHE_MODULES
fi
TEACACHE_TOOLS_SITE="$("$DEPS_DIR/python-tools/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
export TEACACHE_TOOLS_SITE
code=0
"$DEPS_DIR/python-tests/bin/python" -m pytest -p no:cacheprovider -q "$@" || code=$?
if [ $# -eq 0 ]; then
  echo "tests/python: again without PyTorch"
  "$DEPS_DIR/python-tools/bin/python" -m pytest -p no:cacheprovider -q || code=$?
fi
exit "$code"
