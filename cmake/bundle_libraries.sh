#!/usr/bin/env bash
# bundle_libraries.sh PREFIX: copies the shared libraries that PREFIX/bin needs into PREFIX/lib/teacache/libs,
# all but glibc's and LibTorch's with its own, and lets programs and libraries find them there.
# Needs patchelf.
set -euo pipefail
readonly PREFIX="$1"
command -v patchelf >/dev/null || { echo "bundle_libraries.sh: patchelf is not installed" >&2; exit 1; }
# Of glibc, of the compiler's run time where the system has a newer one, and what comes with PyTorch.
readonly SYSTEM='^(linux-vdso|ld-linux|libc|libm|libdl|libpthread|librt|libresolv|libutil|libnsl)[.-]'
readonly TORCH='^(libtorch|libc10|libcud|libcupti|libnv|libcublas|libshm)'

libraries="$PREFIX/lib/teacache/libs"
mkdir -p "$libraries"
for file in "$PREFIX"/bin/* "$PREFIX"/lib/teacache/*.so; do
  { ldd "$file" 2>/dev/null || true; } | awk '$2 == "=>" && $3 ~ /^\// {print $1, $3}'
done | sort -u | while read -r name path; do
  if [[ "$name" =~ $SYSTEM || "$name" =~ $TORCH ]]; then continue; fi
  install -m 644 "$path" "$libraries/$name"
done
for library in "$libraries"/*; do patchelf --set-rpath '$ORIGIN' "$library"; done
add() { patchelf --set-rpath "$2:$(patchelf --print-rpath "$1")" "$1"; }
for program in "$PREFIX"/bin/*; do
  if readelf -h "$program" >/dev/null 2>&1; then add "$program" '$ORIGIN/../lib/teacache/libs'; fi
done
for module in "$PREFIX"/lib/teacache/*.so; do add "$module" '$ORIGIN/libs'; done
echo "bundled: $(ls "$libraries" | wc -l) libraries, $(du -sm "$libraries" | cut -f1) MB"
