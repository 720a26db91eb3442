#!/usr/bin/env bash
# Builds the toolkit on a Debian or Ubuntu machine; see usage() below. Every step can be repeated and
# says what it does; what is there already is left alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly DEPS_DIR="${TEACACHE_DEPS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/teacache-toolkit}"

# Where programs look for weights by themselves: TEACACHE_WEIGHTS, else the default folder.
readonly WEIGHTS_DIR="${TEACACHE_WEIGHTS:-$DEPS_DIR/weights}/lpips"
readonly WEIGHTS_SOURCE="${TEACACHE_WEIGHTS_SOURCE:-https://download.pytorch.org/models}"

# SHA-256 of LPIPS's files: of the linear heads in full, of torchvision's networks the start, which
# their names end with.
declare -A LPIPS_DIGESTS=(
  [alex.pth]=df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0
  [squeeze.pth]=4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76
  [vgg.pth]=a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868
  [alexnet-owt-7be5be79.pth]=7be5be79
  [squeezenet1_1-b8a52dc0.pth]=b8a52dc0
  [vgg16-397923af.pth]=397923af
)

readonly BUILD_PACKAGES=(
  build-essential g++ cmake ninja-build pkg-config ccache git ca-certificates
  python3 python3-pip
  libopencv-dev libceres-dev libeigen3-dev libcli11-dev nlohmann-json3-dev libsimdjson-dev libfmt-dev libhwy-dev zlib1g-dev
  libsentencepiece-dev libicu-dev libavformat-dev libavcodec-dev libswscale-dev libavutil-dev
  libgtest-dev libgmock-dev libbenchmark-dev
)
readonly TEST_PACKAGES=(ffmpeg clang-format clang-tidy python3-dev python3-venv)

usage() {
  cat <<USAGE
usage: ./build.sh COMMAND

  deps      install what is missing: Debian/Ubuntu packages (as root or with sudo; otherwise the
            line to run is printed) and the Python wheels that carry LibTorch and plotly.js
  build     deps, then configure and compile everything into build/release
  cuda      the same with CUDA into build/cuda; needs nvcc, and LibTorch's GPU libraries (1.9 GB to
            fetch, 2.7 GB on disk)
  demo      build, then run the whole experiment on the model that ships with the toolkit and
            print the path of its page
  test      build, then run all tests but the long ones, and those of the Python package
  bench     build, then run the benchmarks; results as JSON in out/bench
  weights   fetch the LPIPS weights, or say what to put where

environment:
  TEACACHE_DEPS_DIR    where wheels and weights are kept (now: $DEPS_DIR)
  TEACACHE_WEIGHTS     where weights are kept (default: weights in the folder above)
  TEACACHE_JOBS        compile jobs (default: by processors and memory)
  TEACACHE_CMAKE_ARGS  more arguments for cmake, e.g. -DCMAKE_PREFIX_PATH=/path/to/libtorch (then
                       the LibTorch wheels are not fetched)
  TEACACHE_WEIGHTS_SOURCE  where torchvision's weights are fetched from
                       (now: $WEIGHTS_SOURCE)
USAGE
}

say() { printf '== %s\n' "$*"; }
fail() { printf 'build.sh: %s\n' "$*" >&2; exit 1; }

# ------------------------------------------------------------------------------- packages

missing_packages() {
  local package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || echo "$package"
  done
}

# Runs its arguments as root; fails where that is not possible without a password.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    env DEBIAN_FRONTEND=noninteractive "$@"
  elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  else
    return 1
  fi
}

install_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  if [ "${#missing[@]}" -eq 0 ]; then
    say "packages: all $# are installed"
    return
  fi
  say "packages: installing ${missing[*]}"
  local line="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
  as_root apt-get update -qq || fail "these packages are missing; run as root:
  $line"
  as_root apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    fail "apt-get could not install them; run as root: $line"
}

# clang with libFuzzer and the sanitizers, for the fuzzers of the readers. Debian and newer Ubuntu have
# their libraries in a package of their own; without any of it the test skips and says so.
install_clang() {
  install_packages clang
  if [ -n "$(apt-cache search --names-only '^libclang-rt-dev$' 2>/dev/null)" ]; then
    install_packages libclang-rt-dev
  fi
}

# The page's test opens it in a browser. On Ubuntu the package is only a pointer to a snap, which
# does not run everywhere; the test then skips and says so.
install_chromium() {
  if command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
     command -v google-chrome >/dev/null; then
    return
  fi
  if grep -qi '^ID=ubuntu' /etc/os-release; then
    say "chromium: none found; the test that opens the page will be skipped"
    return
  fi
  install_packages chromium
}

# ------------------------------------------------------------------------------- wheels

# wheel_there NAME VERSION_PATTERN: whether python/ holds it, completely (its record comes last).
wheel_there() {
  compgen -G "$DEPS_DIR/python/${1//-/_}-$2.dist-info/RECORD" >/dev/null
}

# fetch_wheels REQUIREMENT...: into a folder beside, then renamed entry by entry, the records last, so
# that an interrupted run is not taken for a finished one. Only headers, libraries and data are used:
# the wheels need not fit the Python of this machine.
fetch_wheels() {
  local temporary
  mkdir -p "$DEPS_DIR/python"
  temporary="$(mktemp -d "$DEPS_DIR/python.XXXXXX")"
  # shellcheck disable=SC2064
  trap "rm -rf '$temporary'" EXIT
  local machine glibc platforms=()
  machine="$(uname -m)"
  for glibc in $(seq 28 -1 17); do platforms+=(--platform "manylinux_2_${glibc}_$machine"); done
  PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps \
    --no-compile --no-cache-dir --target "$temporary" --only-binary=:all: \
    --python-version 3.12 --implementation cp --abi cp312 "${platforms[@]}" --platform "manylinux2014_$machine" \
    "$@" || fail "pip could not fetch $* (network? free space in $DEPS_DIR?)"
  local entry
  for entry in "$temporary"/*; do
    case "$entry" in *.dist-info | */bin | */share) continue ;; esac
    rm -rf "$DEPS_DIR/python/${entry##*/}"
    mv "$entry" "$DEPS_DIR/python/"
  done
  for entry in "$temporary"/*.dist-info; do
    rm -rf "$DEPS_DIR/python/${entry##*/}"
    mv "$entry" "$DEPS_DIR/python/"
  done
  rm -rf "$temporary"
  trap - EXIT
}

# What LibTorch 2.11.0 asks for to run on a GPU. All at once: the wheels share a folder.
install_gpu_wheels() {
  local wheel missing=() wheels=(
    nvidia-cublas==13.1.0.3 nvidia-cuda-cupti==13.0.85 nvidia-cuda-nvrtc==13.0.88
    nvidia-cuda-runtime==13.0.96 nvidia-cudnn-cu13==9.19.0.56 nvidia-cufft==12.0.0.61
    nvidia-cufile==1.15.1.6 nvidia-curand==10.4.0.35 nvidia-cusolver==12.0.4.66
    nvidia-cusparse==12.6.3.3 nvidia-cusparselt-cu13==0.8.0 nvidia-nccl-cu13==2.28.9
    nvidia-nvjitlink==13.0.88 nvidia-nvshmem-cu13==3.4.5 nvidia-nvtx==13.0.85
  )
  for wheel in "${wheels[@]}"; do
    wheel_there "${wheel%==*}" "${wheel#*==}" || missing+=("$wheel")
  done
  if [ "${#missing[@]}" -eq 0 ]; then
    say "LibTorch's GPU libraries: are there"
  else
    say "LibTorch's GPU libraries: fetching (about 1.9 GB, 2.7 GB on disk)"
    fetch_wheels "${wheels[@]}"
  fi
}

# install_wheels [cuda]
install_wheels() {
  mkdir -p "$DEPS_DIR"
  exec 9>"$DEPS_DIR/.lock"
  flock 9  # two runs of this script do not fetch into each other
  rm -rf "$DEPS_DIR"/python.??????  # of interrupted runs
  if [[ "${TEACACHE_CMAKE_ARGS:-}" == *CMAKE_PREFIX_PATH* || "${TEACACHE_CMAKE_ARGS:-}" == *Torch_ROOT* ]]; then
    say "LibTorch: your own, from TEACACHE_CMAKE_ARGS"
  else
    if wheel_there torch '2.11.0*'; then
      say "LibTorch 2.11.0: is in $DEPS_DIR/python"
    else
      say "LibTorch 2.11.0: fetching the wheel (about 0.6 GB, 1.2 GB on disk) into $DEPS_DIR/python"
      fetch_wheels 'torch==2.11.0'
    fi
    if [ "${1:-}" = cuda ]; then
      install_gpu_wheels
    elif wheel_there nvidia-cuda-runtime '13.0.*' && wheel_there nvidia-cuda-cupti '13.0.*'; then
      say "CUDA runtime and CUPTI 13.0: are there"
    else
      say "CUDA runtime and CUPTI 13.0: fetching (libtorch_cpu is linked to them, also without a GPU)"
      fetch_wheels 'nvidia-cuda-runtime>=13.0,<13.1' 'nvidia-cuda-cupti>=13.0,<13.1'
    fi
  fi
  if wheel_there plotly '7.1.0'; then
    say "plotly.js: is there"
  else
    say "plotly.js: fetching (10 MB)"
    fetch_wheels 'plotly==7.1.0'
  fi
  exec 9>&-
}

# deps [cuda]
deps() {
  [ -f /etc/debian_version ] || fail "this script knows Debian and Ubuntu; elsewhere install by hand: ${BUILD_PACKAGES[*]}"
  install_packages "${BUILD_PACKAGES[@]}"
  install_wheels "$@"
}

# ------------------------------------------------------------------------------- building

# Free memory in MiB, also inside a container with a limit.
memory_mib() {
  local free limit used
  free=$(awk '/^MemAvailable:/ {print int($2 / 1024)}' /proc/meminfo)
  if [ -r /sys/fs/cgroup/memory.max ]; then
    limit=$(cat /sys/fs/cgroup/memory.max)
    used=$(cat /sys/fs/cgroup/memory.current 2>/dev/null || echo 0)
    if [ "$limit" != max ] && [ $(((limit - used) / 1048576)) -lt "$free" ]; then
      free=$(((limit - used) / 1048576))
    fi
  fi
  echo "$free"
}

# One compile of a file with LibTorch's headers takes up to 1.5 GB.
jobs() {
  if [ -n "${TEACACHE_JOBS:-}" ]; then
    echo "$TEACACHE_JOBS"
    return
  fi
  local processors by_memory
  processors=$(nproc)
  by_memory=$(($(memory_mib) / 1536))
  [ "$by_memory" -ge 1 ] || by_memory=1
  echo $((processors < by_memory ? processors : by_memory))
}

# compile PRESET [TARGET...]
compile() {
  local preset="$1" folder=build/release
  shift
  [ "$preset" != cuda ] || folder=build/cuda
  local count
  count="$(jobs)"
  say "configuring (preset $preset)"
  mkdir -p build
  # shellcheck disable=SC2086
  TEACACHE_DEPS_DIR="$DEPS_DIR" cmake --preset "$preset" ${TEACACHE_CMAKE_ARGS:-} >build/configure.log 2>&1 || {
    cat build/configure.log >&2
    fail "cmake failed"
  }
  say "compiling with $count job(s)"
  cmake --build "$folder" --parallel "$count" ${@:+--target "$@"}
}

build() {
  deps
  compile release "$@"
  say "programs are in build/release/bin"
}

build_cuda() {
  local nvcc="${CUDACXX:-nvcc}"
  command -v "$nvcc" >/dev/null || nvcc=/usr/local/cuda/bin/nvcc
  command -v "$nvcc" >/dev/null || fail "no nvcc: install the CUDA toolkit 13.0, or name nvcc in CUDACXX"
  export CUDACXX="$nvcc"
  deps cuda
  compile cuda
  say "programs are in build/cuda/bin; try them with: ctest --test-dir build/cuda -R metrics.gpu"
}

demo() {
  build sweep-report
  local flags=()
  if ! has_lpips alexnet-owt-7be5be79.pth alex.pth; then
    fetch_small_lpips
    if has_lpips squeezenet1_1-b8a52dc0.pth squeeze.pth; then flags=(--lpips-net squeeze); fi
  fi
  say "running the sweep; if it is interrupted, run the same command again to go on"
  build/release/bin/sweep-report --model shapes --out out/demo "${flags[@]}"
  say "open this page in a browser:"
  echo "$PWD/out/demo/report.html"
}

run_tests() {
  deps
  install_packages "${TEST_PACKAGES[@]}"
  install_clang
  install_chromium
  compile release
  say "compiling the fuzzers"
  TEACACHE_DEPS_DIR="$DEPS_DIR" TEACACHE_JOBS="$(jobs)" tests/fuzz/run_fuzzers.sh build || [ $? -eq 77 ]
  say "running all tests but the long ones"
  local failed=0 code=0
  ctest --test-dir build/release --output-on-failure --no-tests=error --label-exclude long \
    --parallel "$(jobs)" || failed=1
  say "running the tests of the Python package"
  TEACACHE_DEPS_DIR="$DEPS_DIR" TEACACHE_BIN_DIR="$PWD/build/release/bin" tests/python/run.sh || code=$?
  [ "$code" -eq 0 ] || [ "$code" -eq 77 ] || failed=1
  return "$failed"
}

bench() {
  build
  mkdir -p out/bench
  local program name
  for program in build/release/benchmarks/*_benchmark; do
    [ -x "$program" ] || fail "no benchmarks were built"
    name="$(basename "$program")"
    say "$name"
    "$program" --benchmark_out="out/bench/$name.json" --benchmark_out_format=json
  done
  say "results are in out/bench"
}

# ------------------------------------------------------------------------------- weights

# has_sha256 FILE START: the file's digest starts so.
has_sha256() { [ -f "$1" ] && [[ "$(sha256sum "$1" | cut -d' ' -f1)" == "$2"* ]]; }

# fetch_file ADDRESS PATH
fetch_file() {
  python3 - "$1" "$2" <<'PYTHON'
import shutil, sys, urllib.request
try:
    with urllib.request.urlopen(sys.argv[1], timeout=60) as source, open(sys.argv[2], "wb") as target:
        shutil.copyfileobj(source, target)
except OSError as error:
    sys.exit(f"   {error}")
PYTHON
}

has_lpips() {  # FILE...: all are there, whole
  local file
  for file in "$@"; do has_sha256 "$WEIGHTS_DIR/$file" "${LPIPS_DIGESTS[$file]}" || return 1; done
}

# The linear heads, from the Python package that publishes them.
lpips_heads() {
  if has_lpips alex.pth squeeze.pth vgg.pth; then
    say "LPIPS linear heads: are in $WEIGHTS_DIR"
    return
  fi
  say "LPIPS linear heads v0.1: from the Python package lpips 0.1.4 into $WEIGHTS_DIR"
  local temporary file
  temporary="$(mktemp -d)"
  # shellcheck disable=SC2064
  trap "rm -rf '$temporary'" EXIT
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    -d "$temporary" 'lpips==0.1.4' || fail "pip could not fetch lpips 0.1.4"
  (cd "$temporary" && python3 -m zipfile -e lpips-0.1.4-py3-none-any.whl wheel)
  mkdir -p "$WEIGHTS_DIR"
  for file in alex.pth squeeze.pth vgg.pth; do
    has_sha256 "$temporary/wheel/lpips/weights/v0.1/$file" "${LPIPS_DIGESTS[$file]}" ||
      fail "$file inside lpips 0.1.4 is not the published one"
    mv "$temporary/wheel/lpips/weights/v0.1/$file" "$WEIGHTS_DIR/$file"
  done
  rm -rf "$temporary"
  trap - EXIT
}

# lpips_backbone FILE: one of torchvision's networks under the heads.
lpips_backbone() {
  local file="$1" target="$WEIGHTS_DIR/$1"
  if has_lpips "$file"; then
    say "$file: is in $WEIGHTS_DIR"
    return
  fi
  say "$file: fetching from $WEIGHTS_SOURCE"
  mkdir -p "$WEIGHTS_DIR"
  if fetch_file "$WEIGHTS_SOURCE/$file" "$target.part" &&
     has_sha256 "$target.part" "${LPIPS_DIGESTS[$file]}"; then
    mv "$target.part" "$target"
  else
    rm -f "$target.part"
    echo "   not fetched; put $WEIGHTS_SOURCE/$file at $target"
    return 1
  fi
}

# LPIPS's smallest network (5 MB) for the demonstration: at most 10 seconds of network, and a run
# without it is complete all the same. Its values are lpips-squeeze, not the lpips-alex of papers.
fetch_small_lpips() {
  if has_lpips squeezenet1_1-b8a52dc0.pth squeeze.pth; then return; fi
  export -f say fail has_sha256 has_lpips fetch_file lpips_heads lpips_backbone
  if ! env WEIGHTS_DIR="$WEIGHTS_DIR" WEIGHTS_SOURCE="$WEIGHTS_SOURCE" \
       timeout 10 bash -c "$(declare -p LPIPS_DIGESTS); set -e
         lpips_backbone squeezenet1_1-b8a52dc0.pth; lpips_heads"; then
    rm -f "$WEIGHTS_DIR"/*.part
    say "LPIPS: its small network could not be fetched within 10 s; the page leaves LPIPS out (./build.sh weights)"
  fi
}

weights() {
  install_packages python3 python3-pip
  lpips_heads
  local file incomplete=0
  for file in alexnet-owt-7be5be79.pth squeezenet1_1-b8a52dc0.pth vgg16-397923af.pth; do
    lpips_backbone "$file" || incomplete=1
  done
  [ "$incomplete" -eq 0 ] || fail "some backbones are missing (see above); LPIPS works with those that are there"
  say "LPIPS weights are complete"
  if [ -n "${TEACACHE_DEPS_DIR:-}" ] && [ -z "${TEACACHE_WEIGHTS:-}" ]; then
    say "for programs to find them: export TEACACHE_WEIGHTS=$DEPS_DIR/weights"
  fi
}

# Sourced by tests, which call single functions.
if [ "${BASH_SOURCE[0]}" != "$0" ]; then return; fi

case "${1:-help}" in
  deps) deps ;;
  build) shift; build "$@" ;;
  cuda) build_cuda ;;
  demo) demo ;;
  test) run_tests ;;
  bench) bench ;;
  weights) weights ;;
  help | -h | --help) usage ;;
  *) usage >&2; exit 2 ;;
esac
