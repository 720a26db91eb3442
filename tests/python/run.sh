#!/usr/bin/env bash
# Runs the tests of the Python package in an environment of their own (about 4 GB, made once in the
# folder of dependencies). Arguments go to pytest. Exit code 77: the packages cannot be had.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

DEPS_DIR="${TEACACHE_DEPS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/teacache-toolkit}"
ENVIRONMENT="$DEPS_DIR/python-tests"
REQUIREMENTS=tests/python/requirements.txt

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

is_there() { cmp -s "$REQUIREMENTS" "$ENVIRONMENT/installed"; }

if ! is_there; then
  mkdir -p "$DEPS_DIR"
  exec 9>"$DEPS_DIR/.python-tests.lock"
  flock 9  # two runs do not install into each other
  if ! is_there; then
    python=$(find_python) || skip "Python 3.11 to 3.13 with the module venv is not installed"
    echo "tests/python: installing PyTorch and diffusers into $ENVIRONMENT"
    rm -rf "$ENVIRONMENT"
    "$python" -m venv "$ENVIRONMENT" || skip "$python -m venv fails (package python3-venv?)"
    "$ENVIRONMENT/bin/pip" install --quiet --disable-pip-version-check --no-deps \
      --requirement "$REQUIREMENTS" || skip "the packages cannot be installed"
    cp "$REQUIREMENTS" "$ENVIRONMENT/installed"
  fi
  exec 9>&-
fi

# One thread: the models are tiny.
export OMP_NUM_THREADS=1
exec "$ENVIRONMENT/bin/python" -m pytest -p no:cacheprovider -q "$@"
