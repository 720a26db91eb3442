#!/usr/bin/env bash
# cmake --install into a folder that is then moved: programs, their data, man pages and completions work
# from there, nothing names the build tree, and another project links the libraries without LibTorch.
#   install_test.sh BUILD_FOLDER SOURCE_FOLDER TORCH_LIBRARY_PATH
set -euo pipefail
readonly BUILD="$1" SOURCE="$2" TORCH_PATH="$3"
FOLDER="$(mktemp -d)"
trap 'rm -rf "$FOLDER"' EXIT
fail() { printf '%s\n' "$*" >&2; exit 1; }

cmake --install "$BUILD" --prefix "$FOLDER/first" >"$FOLDER/log" || fail "$(cat "$FOLDER/log")"
mv "$FOLDER/first" "$FOLDER/moved"
readonly PREFIX="$FOLDER/moved"
bin() { local program="$1"; shift; env -i HOME="$FOLDER" PATH=/usr/bin:/bin "$PREFIX/bin/$program" "$@"; }

for file in "$PREFIX"/bin/* "$PREFIX"/lib/teacache/*.so; do
  if readelf -d "$file" 2>/dev/null | grep -E 'R(UN)?PATH' | grep -qF "$BUILD"; then
    fail "$file: looks for libraries in the build tree"
  fi
done
if grep -rlF -e "$BUILD" -e "$SOURCE" "$PREFIX/lib/cmake" "$PREFIX/share"; then fail "names the build or source tree"; fi
for file in LICENSE NOTICE README.md; do
  [ -s "$PREFIX/share/doc/teacache-toolkit/$file" ] || fail "$file is missing"
done

# Without LibTorch.
printf 'x,y\n0.1,0.3\n0.2,0.5\n0.3,0.7\n0.4,0.9\n0.5,1.1\n' >"$FOLDER/pairs.csv"
bin fit-coeffs "$FOLDER/pairs.csv" --degree 1 --out "$FOLDER/coeffs.json" --report "$FOLDER/fit.html" >"$FOLDER/out"
[ -s "$FOLDER/coeffs.json" ] && [ -s "$FOLDER/fit.html" ] || fail "fit-coeffs: $(cat "$FOLDER/out")"
bin teacache fit "$FOLDER/pairs.csv" --degree 1 >/dev/null || fail "teacache fit"
bin teacache plan --help | grep -q -- --budget || fail "teacache plan"
if bin teacache fly 2>"$FOLDER/err"; then fail "teacache fly: exit code 0"; fi
grep -q '^teacache: .*fly' "$FOLDER/err" || fail "teacache fly: $(cat "$FOLDER/err")"
readonly VIDEOS="$SOURCE/tests/golden/metrics/lossless"
bin eval-metrics --gt "$VIDEOS/oddraw_gt_png" --gen "$VIDEOS/oddraw_gen_png" --metrics psnr,ssim \
  --out "$FOLDER/results.json" >"$FOLDER/out" || fail "eval-metrics: $(cat "$FOLDER/out")"

# With it, and with the weights beside the program.
TEACACHE="$PREFIX/bin/generate-videos"
env -i HOME="$FOLDER" PATH=/usr/bin:/bin LD_LIBRARY_PATH="$TORCH_PATH" "$TEACACHE" --demo 1 --steps 2 \
  --out "$FOLDER/run" >"$FOLDER/out" 2>&1 || fail "generate-videos: $(cat "$FOLDER/out")"

# Man pages and completions name every flag of the programs.
for program in "$PREFIX"/bin/*-*; do
  name="$(basename "$program")"
  page="$PREFIX/share/man/man1/$name.1"
  LD_LIBRARY_PATH="$TORCH_PATH" "$program" --help | grep -oE '^  (-h,)?--[a-z0-9-]+' | sed 's/.*--/--/' | sort -u >"$FOLDER/flags"
  [ -s "$FOLDER/flags" ] || fail "$name: no flags"
  while read -r flag; do
    grep -qF -- "$(printf '%s' "$flag" | sed 's/-/\\-/g')" "$page" || fail "$page: without $flag"
    for completion in "bash-completion/completions/$name" "zsh/site-functions/_$name"; do
      grep -qF -- "$flag" "$PREFIX/share/$completion" || fail "$completion: without $flag"
    done
    grep -qF -- "-l ${flag#--}" "$PREFIX/share/fish/vendor_completions.d/$name.fish" || fail "fish: without $flag of $name"
  done <"$FOLDER/flags"
  bash -n "$PREFIX/share/bash-completion/completions/$name"
done
found="$(bash -c 'source "$1"; COMP_WORDS=(fit-coeffs --deg); COMP_CWORD=1; _fit_coeffs; echo "${COMPREPLY[*]}"' \
  _ "$PREFIX/share/bash-completion/completions/fit-coeffs")"
[ "$found" = "--degree" ] || fail "bash completes --deg to \"$found\""

# Another project.
cmake -S "$SOURCE/tests/install/consumer" -B "$FOLDER/consumer" -DCMAKE_PREFIX_PATH="$PREFIX" \
  -DCMAKE_BUILD_TYPE=Release >"$FOLDER/log" 2>&1 || fail "$(cat "$FOLDER/log")"
cmake --build "$FOLDER/consumer" >"$FOLDER/log" 2>&1 || fail "$(cat "$FOLDER/log")"
out="$("$FOLDER/consumer/consumer")"
[ "$out" = "f(1) = 2.100, PSNR 48.13 dB, SSIM 1.00" ] || fail "consumer: $out"
if ldd "$FOLDER/consumer/consumer" | grep -q libtorch; then fail "consumer needs LibTorch"; fi
if cmake -S "$SOURCE/tests/install/consumer" -B "$FOLDER/wrong" -DCMAKE_PREFIX_PATH="$FOLDER" >"$FOLDER/log" 2>&1; then
  fail "a prefix without the package was accepted"
fi
echo "installed, moved, used: as it should be ($(du -sm "$PREFIX" | cut -f1) MB)"
