#!/usr/bin/env bash
# Builds the libFuzzer programs (preset fuzz: clang, address and undefined-behaviour sanitizers) and
# runs each on its corpus: files of tests/golden and tests/fuzz/corpus, and what earlier runs found.
#
#   tests/fuzz/run_fuzzers.sh build            only build
#   tests/fuzz/run_fuzzers.sh readers          the readers' unit tests under the same sanitizers
#   tests/fuzz/run_fuzzers.sh 4                4 seconds each; the same inputs every time
#   tests/fuzz/run_fuzzers.sh 3600 [NAME...]   an hour each (or of these), with new seeds
#
# Exit code: 0, 1 when a fuzzer found something (its input lies in out/fuzz), 77 when there is no
# clang with libFuzzer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly BIN=build/fuzz/bin OUT=out/fuzz GOLDEN=tests/golden CORPUS=tests/fuzz/corpus
readonly SHORT=60  # seconds up to which a run is meant to be repeatable

can_fuzz() {
  local folder
  folder="$(mktemp -d)"
  echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' >"$folder/a.cc"
  clang++ -fsanitize=fuzzer,address,undefined "$folder/a.cc" -o "$folder/a" >/dev/null 2>&1
  local code=$?
  rm -rf "$folder"
  return $code
}

build() {
  mkdir -p build
  # shellcheck disable=SC2086
  if ! cmake --preset fuzz ${TEACACHE_CMAKE_ARGS:-} >build/fuzz_configure.log 2>&1; then
    cat build/fuzz_configure.log >&2
    exit 1
  fi
  cmake --build build/fuzz --parallel "${TEACACHE_JOBS:-$(nproc)}" --target "$@"
}

# seeds NAME FOLDER: the corpus to start from. Large files only slow a fuzzer down.
seeds() {
  local name="$1" folder="$2"
  mkdir -p "$folder"
  if [ -d "$CORPUS/$name" ]; then cp "$CORPUS/$name"/* "$folder/"; fi
  case "$name" in
    torch_pickle) find "$GOLDEN" -name '*.pth' -size -16k -exec cp -t "$folder" {} + ;;
    video) find "$GOLDEN" -path '*/batches/gt/*.mp4' -exec cp -t "$folder" {} + ;;
  esac
}

# fuzz NAME SECONDS
fuzz() {
  local name="$1" seconds="$2" folder="$OUT/$1" options
  mkdir -p "$folder/found" "$folder/crashes"
  rm -rf "$folder/seeds"
  seeds "$name" "$folder/seeds"
  options=(-max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=16384 -print_final_stats=1
    -artifact_prefix="$folder/crashes/" -verbosity=0)
  if [ -f "tests/fuzz/$name.dict" ]; then options+=(-dict="tests/fuzz/$name.dict"); fi
  if [ "$seconds" -le "$SHORT" ]; then
    # Nothing found before may change a short run.
    "$BIN/${name}_fuzzer" "${options[@]}" -seed=1 "$folder/seeds" >"$folder/log" 2>&1
  else
    "$BIN/${name}_fuzzer" "${options[@]}" "$folder/found" "$folder/seeds" >"$folder/log" 2>&1
  fi
}

main() {
  if ! can_fuzz; then
    echo "no clang++ with libFuzzer (packages clang and libclang-rt-dev): skipped" >&2
    exit 77
  fi
  export ASAN_OPTIONS=allocator_may_return_null=1:${ASAN_OPTIONS:-}
  local seconds="${1:-4}" names=() failed=0 name
  case "$seconds" in
    build) build fuzzers reader_tests; exit ;;
    readers)
      build reader_tests
      exec ctest --test-dir build/fuzz --output-on-failure --no-tests=error --tests-regex '^readers\.' ;;
  esac
  build fuzzers
  shift || true
  names=("$@")
  if [ "${#names[@]}" -eq 0 ]; then
    for name in "$BIN"/*_fuzzer; do
      name="${name##*/}"
      names+=("${name%_fuzzer}")
    done
  fi
  for name in "${names[@]}"; do
    if fuzz "$name" "$seconds"; then
      printf '%-14s %s inputs, nothing found\n' "$name" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$OUT/$name/log")"
    else
      printf '%-14s FAILED, see %s\n' "$name" "$OUT/$name/log"
      tail -n 40 "$OUT/$name/log"
      failed=1
    fi
  done
  return $failed
}

main "$@"
