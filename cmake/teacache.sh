#!/bin/sh
# teacache SUBCOMMAND ...: the programs under one name.
folder="$(dirname "$(readlink -f "$0")")"

usage() {
  cat <<'USAGE'
usage: teacache SUBCOMMAND [OPTIONS]; teacache SUBCOMMAND --help

  record     record-diffs: calibration traces of full runs
  fit        fit-coeffs: coefficients of the rescaling polynomial, and a verdict
  plan       fit-coeffs plan: the best schedule for every number of computed calls
  generate   generate-videos: videos, uncached or with a cache
  eval       eval-metrics: PSNR, SSIM, LPIPS against the ground truth
  vbench     vbench-score: VBench's dimensions and totals
  sweep      sweep-report: the whole experiment and its page
  encode     encode-prompts: prompts as embeddings
  inspect    inspect-bundle: what is in an exported model
USAGE
}

case "${1:-}" in
  record) program=record-diffs ;;
  fit) program=fit-coeffs ;;
  plan) exec "$folder/fit-coeffs" "$@" ;;
  generate) program=generate-videos ;;
  eval) program=eval-metrics ;;
  vbench) program=vbench-score ;;
  sweep) program=sweep-report ;;
  encode) program=encode-prompts ;;
  inspect) program=inspect-bundle ;;
  --version) exec "$folder/fit-coeffs" --version ;;
  -h | --help | help) usage; exit 0 ;;
  "") usage >&2; exit 2 ;;
  *) echo "teacache: must be followed by record, fit, plan, generate, eval, vbench, sweep, encode or inspect but not by \"$1\" (see --help)" >&2; exit 2 ;;
esac
shift
[ -x "$folder/$program" ] || { echo "teacache: $program is not installed" >&2; exit 2; }
exec "$folder/$program" "$@"
