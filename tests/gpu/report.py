"""Puts the figures of a GPU run into docs/performance.md:

    python3 tests/gpu/report.py out/gpu/gpu.json

Between the page's marks: device, date, commit, the state of every part, and the figures beside
their goals. A dry run (--emulate) has no figures and is refused.
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- gpu: begin -->", "<!-- gpu: end -->"


def row(*cells):
    return "| " + " | ".join(str(c) for c in cells) + " |"


def head(*cells):
    return [row(*cells), "|" + "---|" * len(cells)]


def verdict(met):
    return "met" if met else "missed"


def result(report, part):
    entry = report["parts"].get(part, {})
    return entry.get("result") if entry.get("state") == "ran" else None


def frames(report):
    """Rows of the frame metrics: ours, PyTorch's, the limit, the goal."""
    measured, device = result(report, "frames"), result(report, "device")
    if not measured or not device:
        return []
    lines = head(
        "frames",
        "size",
        "ours, ms per pair",
        "PyTorch, ms per pair",
        "ratio",
        "of the limit",
        "goal",
    )
    copy = device["copy_gb_per_s"]
    ours = measured["ours"]
    for size in (k for k in measured["torch"] if "x" in k):
        torch = measured["torch"][size]
        width, height = size.split("x")

        def of(name, width=width, height=height):
            return ours[f"{name}/{width}/{height}/real_time"]

        for name, kernel in (("PSNR", "BM_PsnrKernel"), ("SSIM", "BM_SsimKernel")):
            kernel = of(kernel)
            theirs = torch.get(f"{name.lower()}_torchmetrics", torch[name.lower()])
            ms, share = kernel["ms_per_pair"], kernel["gb_per_s"] / copy
            goals = [f"{verdict(share >= 0.7)}: >= 70 % of the memory's rate"]
            if name == "SSIM":
                goals.append(f"{verdict(theirs >= 10 * ms)}: >= 10 x torchmetrics")
            lines.append(
                row(
                    name,
                    size,
                    f"{ms:.4f}",
                    f"{theirs:.4f}",
                    f"{theirs / ms:.1f}",
                    f"{share:.0%}",
                    "; ".join(goals),
                )
            )
        for name, benchmark in (("LPIPS", "BM_Lpips"), ("LPIPS, TF32", "BM_LpipsTf32")):
            ms = of(benchmark)["ms_per_pair"]
            theirs = torch["lpips_channels_last"]
            goal = (
                f"{verdict(theirs >= ms)}: >= PyTorch with channels last" if name == "LPIPS" else ""
            )
            lines.append(
                row(name, size, f"{ms:.3f}", f"{theirs:.3f}", f"{theirs / ms:.2f}", "", goal)
            )
        for name, benchmark in (
            ("PSNR and SSIM, from host memory", "BM_PsnrSsim"),
            ("all three, from host memory", "BM_PsnrSsimLpips"),
        ):
            lines.append(row(name, size, f"{of(benchmark)['ms_per_pair']:.3f}", "", "", "", ""))
    return [*lines, ""]


def blocks(report):
    measured = result(report, "blocks")
    if not measured:
        return []
    lines = head(
        "block, float16",
        "ours, ms",
        "PyTorch eager, ms",
        "ratio",
        "of a matrix product's rate",
        "goal",
    )
    for name, theirs in measured["torch"].items():
        ours = next(v for k, v in measured["ours"].items() if k.startswith(f"{name}/gpu"))
        ratio = theirs / ours["ms"]
        lines.append(
            row(
                name,
                f"{ours['ms']:.3f}",
                f"{theirs:.3f}",
                f"{ratio:.2f}",
                f"{ours['share_of_peak']:.0%}",
                f"{verdict(ratio >= 1)}: >= PyTorch eager",
            )
        )
    return [*lines, ""]


def bookkeeping(report):
    measured = result(report, "bookkeeping")
    if not measured:
        return []
    lines = head("per call", "ms", "of an uncached call", "goal")
    for name, one in measured.items():
        share = one["share_of_uncached_call"]
        goal = f"{verdict(share < 0.01)}: < 1 %" if name.startswith("Bookkeeping") else ""
        lines.append(
            row(
                name.split("/gpu")[0], f"{one.get('added_ms', one['ms']):.3f}", f"{share:.2%}", goal
            )
        )
    return [*lines, ""]


def parts(report):
    lines = head("part", "state", "seconds", "")
    for name, entry in report["parts"].items():
        found = entry.get("result") or {}
        note = entry.get("reason", "").splitlines()
        if "passed" in found:
            note = [f"{found['passed']} passed, {len(found['skipped'])} skipped"]
        lines.append(row(name, entry["state"], entry.get("seconds", ""), note[0] if note else ""))
    return [*lines, ""]


def text(report):
    device = result(report, "device") or {"name": "unknown device"}
    lines = [f"{device['name']}, {report['date']}, commit {report['commit']}."]
    if "copy_gb_per_s" in device:
        rates = ", ".join(
            f"{device[f'matmul_tflops_{d}']:.0f} TFLOP/s in {d}"
            for d in ("float32", "float16", "bfloat16")
        )
        lines.append(
            f"Measured limits: a copy {device['copy_gb_per_s']:.0f} GB/s; a matrix product {rates}."
        )
    return "\n".join(
        [*lines, "", *parts(report), *frames(report), *blocks(report), *bookkeeping(report)]
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("json", type=Path)
    parser.add_argument("--page", type=Path, default=ROOT / "docs/performance.md")
    parser.add_argument("--print", action="store_true", help="Print the text; emulated runs too")
    arguments = parser.parse_args()
    report = json.loads(arguments.json.read_text())
    if report.get("format") != "teacache-gpu-run":
        sys.exit(f"{arguments.json}: must be a gpu.json of tests/gpu/run.sh")
    if arguments.print:
        return print(text(report))
    if report["emulated"]:
        sys.exit(f"{arguments.json}: is a dry run without a GPU, whose times mean nothing")
    page = arguments.page.read_text()
    before, rest = page.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    arguments.page.write_text(f"{before}{BEGIN}\n{text(report)}{END}{after}")


if __name__ == "__main__":
    main()
