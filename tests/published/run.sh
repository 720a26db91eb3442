#!/usr/bin/env bash
# The first run on published weights: for every system whose folder is below DIR (DIR/latte,
# DIR/open-sora, DIR/open-sora-plan, each as docs/published-systems.md lists) the digests of the
# files, one prompt uncached, with TeaCache-slow and with TeaCache-fast, its scores against bands
# around the published rows (reports/writers/teacache_table1.csv), and a row of Markdown.
#
#   tests/published/run.sh --weights DIR [--out DIR] [--bin DIR] [--device cuda] [--models a,b]
#                          [--lpips-weights DIR] [-- FLAGS of generate-videos]
#
# Every setting runs twice, with seeds 0 and 1: the first run warms up, the second is timed. Scores are
# means of both. The bands are wide, since two videos of one prompt stand against a mean over thousands:
# they find wrong weights, coefficients or rules, not small differences. Beside them slow must be better
# than fast in every metric, and not faster.
#
# Exit code: 0 all in their bands; 3 not; 2 a mistake in the call; 1 a program failed.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

prompt="A cat walking on the beach, sunset, 4k."
declare -A band=([psnr]=7 [ssim]=0.25 [lpips]=0.25)  # on either side of the published mean
declare -A line took                                 # by setting: scores, seconds

weights="" out=published-run bin="$root/build/release/bin" device=cuda models="" lpips_weights=""
mistake() { echo "tests/published/run.sh: $*" >&2; exit 2; }
while [ $# -gt 0 ]; do
  case "$1" in
    --weights) weights=${2:-}; shift 2 ;;
    --out) out=${2:-}; shift 2 ;;
    --bin) bin=${2:-}; shift 2 ;;
    --device) device=${2:-}; shift 2 ;;
    --models) models=${2:-}; shift 2 ;;
    --lpips-weights) lpips_weights=${2:-}; shift 2 ;;
    --) shift; break ;;
    *) mistake "unknown argument $1" ;;
  esac
done
more=("$@")
[ -n "$weights" ] || mistake "--weights must name the folder with latte, open-sora or open-sora-plan"
[ -d "$weights" ] || mistake "--weights: $weights is no folder"
for program in generate-videos eval-metrics; do
  [ -x "$bin/$program" ] || mistake "--bin: $bin/$program is missing; build it first"
done
if [ -z "$models" ]; then
  for model in latte open-sora open-sora-plan; do
    if [ -d "$weights/$model" ]; then models="${models:+$models,}$model"; fi
  done
  [ -n "$models" ] || mistake "--weights: $weights holds neither latte, open-sora nor open-sora-plan"
fi
bin=$(cd "$bin" && pwd)
[ -z "$lpips_weights" ] || lpips_weights=$(cd "$lpips_weights" && pwd)

# Names, sizes and digests of everything that is read.
digests() {
  (cd "$1" && find -L . -type f \( -name '*.safetensors' -o -name '*.bin' -o -name '*.pth' -o -name '*.ckpt' \
      -o -name '*.json' -o -name '*.model' \) -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
}

# Field of a row of the paper: published MODEL METHOD FIELD.
published() {
  awk -F, -v model="$1" -v method="$2" -v field="$3" '
    $1 == "model" { for (i = 1; i <= NF; ++i) at[$i] = i }
    $1 == model && $2 == method { print $at[field] }' "$root/reports/writers/teacache_table1.csv"
}

# Seconds of the last video of a run folder.
seconds() { tail -n 1 "$1/timing.jsonl" | sed -E 's/.*"total_seconds":([0-9.eE+-]+).*/\1/'; }

# Field of "lpips: 0.0089, psnr: 39.4694, ssim: 0.8708".
field() { sed -nE "1s/.*$2: ([^,]+).*/\1/p" <<<"$1"; }

# Whether $1 is within $3 of $2; n/a is not judged.
within() { [ "$1" = n/a ] || [ "$1" = nan ] || awk -v x="$1" -v at="$2" -v d="$3" 'BEGIN { exit !(x >= at - d && x <= at + d) }'; }
at_most() { [ "$1" = n/a ] || [ "$1" = nan ] || awk -v a="$1" -v b="$2" 'BEGIN { exit !(a <= b) }'; }

mkdir -p "$out"
rows="$out/rows.md"
{
  echo "| system | weights | uncached | TeaCache-slow | TeaCache-fast | in the bands |"
  echo "|---|---|---|---|---|---|"
} > "$rows"
status=0

for model in ${models//,/ }; do
  folder="$weights/$model"
  [ -d "$folder" ] || mistake "--models: $folder is no folder"
  mkdir -p "$out/$model"
  digests "$folder" > "$out/$model/digests.txt"
  digest=$(sha256sum < "$out/$model/digests.txt" | cut -c1-12)
  run=("$bin/generate-videos" --model "$model" --weights "$folder" --device "$device" --prompt "$prompt" --seeds 0-1
       --jobs 1 ${more[@]+"${more[@]}"})
  cached=(--cache teacache --teacache-mode reference)
  "${run[@]}" --out "$out/$model/uncached" >&2 || exit 1
  "${run[@]}" "${cached[@]}" --threshold 0.1 --out "$out/$model/slow" >&2 || exit 1
  "${run[@]}" "${cached[@]}" --threshold 0.2 --out "$out/$model/fast" >&2 || exit 1
  took[uncached]=$(seconds "$out/$model/uncached")
  cells="" verdicts=""
  complain() { verdicts+="${verdicts:+, }$*"; }
  for speed in slow fast; do
    # The exit code is 1 where LPIPS has no weights: its field is n/a then.
    score=("$bin/eval-metrics" --gt uncached/videos --gen "$speed/videos" --compat teacache --out "$speed.json"
           --overwrite)  # the line of --compat goes into videos.txt for both
    [ -z "$lpips_weights" ] || score+=(--weights "$lpips_weights")
    line[$speed]=$(cd "$out/$model" && { "${score[@]}" || [ $? = 1 ]; } | head -n 1)
    [ -n "${line[$speed]}" ] || exit 1
    took[$speed]=$(seconds "$out/$model/$speed")
    cells+=" $(awk -v a="${took[uncached]}" -v b="${took[$speed]}" 'BEGIN { printf "%.2f×", a / b }')"
    for metric in psnr ssim lpips; do
      value=$(field "${line[$speed]}" $metric)
      paper=$(published "$model" "TeaCache-$speed" $metric)
      cells+=", ${metric^^} $value"
      within "$value" "$paper" "${band[$metric]}" ||
        complain "$speed: ${metric^^} $value is not within ${band[$metric]} of $paper"
    done
    cells+=" |"
  done
  for metric in psnr ssim; do
    at_most "$(field "${line[fast]}" $metric)" "$(field "${line[slow]}" $metric)" || complain "fast has more ${metric^^} than slow"
  done
  at_most "$(field "${line[slow]}" lpips)" "$(field "${line[fast]}" lpips)" || complain "fast has less LPIPS than slow"
  at_most "${took[fast]}" "${took[slow]}" || complain "fast takes longer than slow"
  [ -z "$verdicts" ] || status=3
  printf '| %s | %s | %.2f s |%s %s |\n' "$model" "$digest" "${took[uncached]}" "$cells" "${verdicts:-yes}" >> "$rows"
done
cat "$rows"
exit $status
