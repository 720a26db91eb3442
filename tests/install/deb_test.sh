#!/usr/bin/env bash
# The Debian package: built, checked by lintian where that is installed, unpacked and used. With --chroot
# (as root, with debootstrap and a network) it is installed and used in a fresh Debian 12 instead.
#   deb_test.sh BUILD_FOLDER SOURCE_FOLDER [--chroot]
set -euo pipefail
readonly BUILD="$1" SOURCE="$2" MODE="${3:-}"
FOLDER="$(mktemp -d)"
cleanup() {
  if mountpoint -q "$FOLDER/system/proc"; then umount "$FOLDER/system/proc"; fi
  rm -rf --one-file-system "$FOLDER"
}
trap cleanup EXIT
fail() { printf '%s\n' "$*" >&2; exit 1; }

start=$SECONDS
(cd "$BUILD" && cpack -G DEB -B "$FOLDER/deb" >"$FOLDER/log" 2>&1) || fail "$(tail -20 "$FOLDER/log")"
package="$(ls "$FOLDER"/deb/*.deb)"
echo "built: $((SECONDS - start)) s, $(basename "$package"), $(($(stat -c %s "$package") / 1000)) kB"
depends="$(dpkg-deb -f "$package" Depends)"
for library in libavcodec libsimdjson libc6; do
  [[ "$depends" == *"$library"* ]] || fail "does not depend on $library: $depends"
done
if command -v lintian >/dev/null; then
  # Who the packager is (TEACACHE_MAINTAINER) is not known here.
  lintian --fail-on error --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog "$package" >"$FOLDER/log" 2>&1 || fail "$(cat "$FOLDER/log")"
  echo "lintian: no errors"
else
  echo "lintian: is not installed, skipped"
fi

if [ "$MODE" = --chroot ]; then
  start=$SECONDS
  mirror="$(apt-get indextargets --format '$(REPO_URI) $(COMPONENT)' | awk '$2 == "main" && $1 ~ /\/debian\/?$/ {print $1; exit}')"
  debootstrap --variant=minbase bookworm "$FOLDER/system" "$mirror" >"$FOLDER/log" 2>&1 || fail "$(tail "$FOLDER/log")"
  cp -r /etc/apt/apt.conf.d "$FOLDER/system/etc/apt/"
  cp "$package" "$FOLDER/system/"
  inside() { chroot "$FOLDER/system" env -i HOME=/root PATH=/usr/bin:/bin:/usr/sbin:/sbin "$@"; }
  mount -t proc proc "$FOLDER/system/proc"
  inside apt-get update -qq
  inside sh -c 'DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends /*.deb' \
    >"$FOLDER/log" 2>&1 || fail "$(tail "$FOLDER/log")"
  work="$FOLDER/system/work"
  run() { inside sh -c 'cd /work && exec "$@"' sh "$@"; }
  echo "installed in a new Debian 12: $((SECONDS - start)) s"
else
  dpkg-deb -x "$package" "$FOLDER/system"
  work="$FOLDER/work"
  run() { (cd "$work" && env -i HOME="$work" PATH="$FOLDER/system/usr/bin:/usr/bin:/bin" "$@"); }
fi
mkdir -p "$work"
if readelf -d "$FOLDER"/system/usr/bin/{fit-coeffs,eval-metrics} | grep -E 'R(UN)?PATH'; then fail "has a library path"; fi
for file in man/man1/fit-coeffs.1.gz man/man1/eval-metrics.1.gz doc/teacache-tools/copyright \
    bash-completion/completions/eval-metrics; do
  [ -s "$FOLDER/system/usr/share/$file" ] || fail "$file is missing"
done

cp -r "$SOURCE"/tests/golden/metrics/lossless/oddraw_{gt,gen}_png "$work"
printf 'x,y\n0.1,0.3\n0.2,0.5\n0.3,0.7\n0.4,0.9\n0.5,1.1\n' >"$work/pairs.csv"
run fit-coeffs pairs.csv --degree 1 --out coeffs.json >"$FOLDER/out" || fail "fit-coeffs"
[ -s "$work/coeffs.json" ] || fail "fit-coeffs: no coefficients"
# Without metrics those that are there are computed, and it is said that LPIPS is not.
run eval-metrics --gt oddraw_gt_png --gen oddraw_gen_png --out results.json >"$FOLDER/out" 2>&1 || fail "$(cat "$FOLDER/out")"
grep -q 'LPIPS.*not installed' "$FOLDER/out" || fail "not said that LPIPS is not installed: $(cat "$FOLDER/out")"
if run eval-metrics --gt oddraw_gt_png --gen oddraw_gen_png --metrics lpips >"$FOLDER/out" 2>&1; then fail "lpips: exit code 0"; fi
echo "used: as it should be"
