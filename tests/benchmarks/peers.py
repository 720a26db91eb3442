"""eval-metrics beside other tools, in one run on the same files: values, time, ratios of time.

    tests/benchmarks/peers.py --out out/peers.json --table docs/performance.md

Needs ffmpeg, and in this Python torch, numpy, opencv, torchmetrics and scikit-image; a tool that
is missing is left out and named. Tools:

  eval-metrics   this toolkit
  script         the method of TeaCache's published eval.py: whole videos as float32 tensors, SSIM
                 by OpenCV's filter2D in double, LPIPS by PyTorch, one frame per call, spatial.
                 Written again from its definition, for the CPU
  torchmetrics   its functional PSNR and SSIM (reflected borders, whole map: eval-metrics'
                 --ssim-variant reflect)
  scikit-image   peak_signal_noise_ratio, structural_similarity(gaussian_weights=True)
  ffmpeg         its psnr and ssim filters on RGB (8x8 blocks: eval-metrics' --ssim-variant ffmpeg)

The files: pairs made by ffmpeg from its synthetic sources, the second one with noise or blur, all
H.264. LPIPS has random weights of AlexNet's shapes: neither times nor agreement depend on them.
Times are of the whole work from files to numbers; Python's are without its imports. CPU seconds
(user + system, of children too) stand beside wall seconds: on a machine that does other work they
vary less.
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIZE, FRAMES = (832, 480), 49
SOURCES = {
    "testsrc2": "noise=alls=12:allf=t",
    "mandelbrot": "gblur=sigma=1.2",
    "gradients": "noise=alls=6:allf=t",
    "testsrc": "gblur=sigma=0.7",
}
BEGIN, END = "<!-- peers: begin -->", "<!-- peers: end -->"


# ------------------------------------------------------------------------------- files


def ffmpeg(*arguments):
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True)


def make_files(folder, pairs, frames):
    """folder/gt and folder/gen, and folder/weights for LPIPS."""
    for kind in ("gt", "gen", "weights"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    coded = ["-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p", "-threads", "1"]
    for source, distortion in list(SOURCES.items())[:pairs]:
        gt, gen = (folder / kind / f"{source}-0.mp4" for kind in ("gt", "gen"))
        spec = f"{source}=size={SIZE[0]}x{SIZE[1]}:rate=8"
        if not gt.exists():
            ffmpeg("-f", "lavfi", "-i", spec, "-frames:v", frames, *coded, gt)
        if not gen.exists():
            ffmpeg("-i", gt, "-vf", distortion, *coded, gen)
    weights = folder / "weights"
    if not (weights / "alex.safetensors").exists():
        maker = ROOT / "tests/gpu/make_videos.py"
        scratch = folder / "scratch"
        small = ["--frames", "1", "--width", "16", "--height", "16"]
        subprocess.run([sys.executable, maker, scratch, *small], check=True)
        for file in (scratch / "weights").iterdir():
            shutil.move(file, weights / file.name)
        shutil.rmtree(scratch)


def pairs_of(folder):
    return [(gt, folder / "gen" / gt.name) for gt in sorted((folder / "gt").glob("*.mp4"))]


# ------------------------------------------------------------------------------- Python's tools


def frames_of(path, threads):
    """As imageio's ffmpeg pipe gives them: uint8 [T, H, W, 3]."""
    import numpy as np

    command = ["ffmpeg", "-nostdin", "-loglevel", "error"]
    command += ["-threads", str(threads)] if threads else []
    command += [
        "-i",
        str(path),
        "-pix_fmt",
        "rgb24",
        "-vcodec",
        "rawvideo",
        "-f",
        "image2pipe",
        "-",
    ]
    data = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    return np.frombuffer(data, np.uint8).reshape(-1, SIZE[1], SIZE[0], 3)


class Lap:
    """Wall and CPU seconds by name."""

    def __init__(self):
        self.seconds, self._last = {}, self._now()

    @staticmethod
    def _now():
        own, child = (
            resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        cpu = own.ru_utime + own.ru_stime + child.ru_utime + child.ru_stime
        return time.perf_counter(), cpu

    def add(self, name):
        now = self._now()
        wall, cpu = self.seconds.get(name, (0.0, 0.0))
        self.seconds[name] = (wall + now[0] - self._last[0], cpu + now[1] - self._last[1])
        self._last = now


def script(folder, threads, lpips):
    """eval.py's arithmetic: every metric of every frame of the pair, then means."""
    import cv2
    import numpy as np
    import torch

    taps = cv2.getGaussianKernel(11, 1.5)
    window = np.outer(taps, taps.transpose())

    def ssim_channel(a, b):
        a, b = a.astype(np.float64), b.astype(np.float64)
        mean_a, mean_b, aa, bb, ab = (
            cv2.filter2D(x, -1, window)[5:-5, 5:-5] for x in (a, b, a**2, b**2, a * b)
        )
        c1, c2 = 0.01**2, 0.03**2
        top = (2 * mean_a * mean_b + c1) * (2 * (ab - mean_a * mean_b) + c2)
        bottom = (mean_a**2 + mean_b**2 + c1) * (aa - mean_a**2 + bb - mean_b**2 + c2)
        return (top / bottom).mean()

    network = load_lpips(folder / "weights") if lpips else None
    lap, values = Lap(), {"psnr": [], "ssim": [], "lpips": []}
    for gt, gen in pairs_of(folder):
        a, b = (torch.from_numpy(frames_of(p, threads).copy()) for p in (gt, gen))
        a, b = ((x.permute(0, 3, 1, 2).float() / 255.0) for x in (a, b))
        lap.add("decode")
        for t in range(len(a)):
            mse = np.mean((a[t].numpy() / 1.0 - b[t].numpy() / 1.0) ** 2)
            values["psnr"].append(100 if mse < 1e-10 else 20 * np.log10(1 / np.sqrt(mse)))
        lap.add("psnr")
        for t in range(len(a)):
            channels = [ssim_channel(a[t, c].numpy(), b[t, c].numpy()) for c in range(3)]
            values["ssim"].append(np.mean(channels))
        lap.add("ssim")
        for t in range(len(a)) if lpips else ():
            distance = network(a[t : t + 1] * 2 - 1, b[t : t + 1] * 2 - 1)
            values["lpips"].append(distance.mean().detach().item())
        lap.add("lpips")
    return {m: float(np.mean(v)) for m, v in values.items() if v}, lap.seconds


def load_lpips(weights):
    """LPIPS as its package computes it, from safetensors."""
    import numpy as np
    import torch
    import torch.nn.functional as F

    def tensors(path):
        data = path.read_bytes()
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])
        return {
            name: torch.from_numpy(
                np.frombuffer(
                    data,
                    np.float32,
                    offset=8 + size + t["data_offsets"][0],
                    count=(t["data_offsets"][1] - t["data_offsets"][0]) // 4,
                )
                .reshape(t["shape"])
                .copy()
            )
            for name, t in header.items()
        }

    backbone, heads = (
        tensors(weights / "alexnet.safetensors"),
        tensors(weights / "alex.safetensors"),
    )
    for head in heads.values():
        head.requires_grad_()  # as in the package, whose callers do not switch gradients off
    shift = torch.tensor([-0.030, -0.088, -0.188])[None, :, None, None]
    scale = torch.tensor([0.458, 0.448, 0.450])[None, :, None, None]
    layers = (
        (0, 4, 2, False),
        (3, 1, 2, True),
        (6, 1, 1, True),
        (8, 1, 1, False),
        (10, 1, 1, False),
    )

    def features(x):
        x = (x - shift) / scale
        for i, stride, padding, pool in layers:
            x = F.max_pool2d(x, 3, 2) if pool else x
            weight, bias = backbone[f"features.{i}.weight"], backbone[f"features.{i}.bias"]
            x = F.relu(F.conv2d(x, weight, bias, stride=stride, padding=padding))
            yield x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)

    def forward(a, b):
        total = 0
        for i, (x, y) in enumerate(zip(features(a), features(b), strict=True)):
            distance = F.conv2d((x - y) ** 2, heads[f"lin{i}.model.1.weight"])
            size = a.shape[2:]
            total = total + F.interpolate(distance, size, mode="bilinear", align_corners=False)
        return total

    return forward


def torchmetrics(folder, threads, lpips):
    import torch
    from torchmetrics.functional.image import (
        peak_signal_noise_ratio,
        structural_similarity_index_measure,
    )

    lap, values = Lap(), {"psnr": [], "ssim": []}
    for gt, gen in pairs_of(folder):
        a, b = (torch.from_numpy(frames_of(p, threads).copy()) for p in (gt, gen))
        lap.add("decode")
        for t in range(len(a)):
            x, y = (v[t].permute(2, 0, 1)[None].float() / 255 for v in (a, b))
            values["psnr"].append(peak_signal_noise_ratio(y, x, data_range=1.0).item())
            lap.add("psnr")
            values["ssim"].append(structural_similarity_index_measure(y, x, data_range=1.0).item())
            lap.add("ssim")
    return {m: sum(v) / len(v) for m, v in values.items()}, lap.seconds


def scikit_image(folder, threads, lpips):
    import numpy as np
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    lap, values = Lap(), {"psnr": [], "ssim": []}
    for gt, gen in pairs_of(folder):
        a, b = (frames_of(p, threads) for p in (gt, gen))
        lap.add("decode")
        for x, y in zip(a, b, strict=True):
            values["psnr"].append(peak_signal_noise_ratio(x, y))
            lap.add("psnr")
            values["ssim"].append(
                structural_similarity(
                    x,
                    y,
                    gaussian_weights=True,
                    sigma=1.5,
                    channel_axis=2,
                    use_sample_covariance=False,
                )
            )
            lap.add("ssim")
    return {m: float(np.mean(v)) for m, v in values.items()}, lap.seconds


# ------------------------------------------------------------------------------- programs


def eval_metrics(arguments, threads, metrics, variant="wang-rgb"):
    folder = arguments.work
    command = [
        str(arguments.bin / "eval-metrics"),
        "--gt",
        str(folder / "gt"),
        "--gen",
        str(folder / "gen"),
    ]
    command += ["--weights", str(folder / "weights"), "--metrics", metrics, "--json", "-"]
    command += ["--ssim-variant", variant, "--jobs", str(threads)]
    lap = Lap()
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    lap.add("all")
    summary = json.loads(output)["summary"]
    return {m: summary[m]["mean"] for m in metrics.split(",")}, lap.seconds


def ffmpeg_filters(folder, threads):
    """Means of the frames' values, as the other tools give them."""
    lap, psnr, ssim = Lap(), [], []
    for gt, gen in pairs_of(folder):
        graph = (
            "[0:v]format=rgb24,format=gbrp,split[a][b];[1:v]format=rgb24,format=gbrp,split[c][d];"
            f"[a][c]psnr=stats_file={folder}/psnr.log[e];[b][d]ssim=stats_file={folder}/ssim.log[f]"
        )
        few = ["-threads", str(threads)] if threads else []
        more = ["-filter_complex_threads", str(threads)] if threads else []
        ffmpeg(
            *few,
            "-i",
            gen,
            *few,
            "-i",
            gt,
            *more,
            "-filter_complex",
            graph,
            "-map",
            "[e]",
            "-f",
            "null",
            "-",
            "-map",
            "[f]",
            "-f",
            "null",
            "-",
        )
        psnr += map(float, re.findall(r"psnr_avg:([\d.]+)", (folder / "psnr.log").read_text()))
        ssim += map(float, re.findall(r"All:([\d.]+)", (folder / "ssim.log").read_text()))
    lap.add("all")
    return {"psnr": sum(psnr) / len(psnr), "ssim": sum(ssim) / len(ssim)}, lap.seconds


def decode_only(folder, threads):
    """How long ffmpeg takes to decode all files to RGB and throw them away."""
    lap = Lap()
    for path in [p for pair in pairs_of(folder) for p in pair]:
        few = ["-threads", str(threads)] if threads else []
        ffmpeg(*few, "-i", path, "-pix_fmt", "rgb24", "-f", "rawvideo", os.devnull)
    lap.add("all")
    return {}, lap.seconds


# ------------------------------------------------------------------------------- the run

PYTHON = {"script": script, "torchmetrics": torchmetrics, "scikit-image": scikit_image}


def environment(threads):
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
    return {**os.environ, **({n: str(threads) for n in names} if threads else {})}


def python_tool(arguments, name, threads, lpips):
    """In a process of its own, on one CPU for one thread."""
    command = [sys.executable, __file__, "--child", name, "--threads", str(threads)]
    command += ["--work", str(arguments.work), *(["--lpips"] if lpips else [])]
    output = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env=environment(threads)
    ).stdout
    result = json.loads(output.strip().splitlines()[-1])
    return result["values"], {k: tuple(v) for k, v in result["seconds"].items()}


def child(arguments):
    import torch

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
        try:
            import cv2

            cv2.setNumThreads(arguments.threads)
        except ImportError:
            pass
    values, seconds = PYTHON[arguments.child](arguments.work, arguments.threads, arguments.lpips)
    print(json.dumps({"values": values, "seconds": seconds}))


def rows(arguments, threads):
    """(tool, metrics, function) in the order of the table."""
    yield "ffmpeg, decoding alone", "", lambda: decode_only(arguments.work, threads)
    for metrics in ("psnr", "psnr,ssim", "psnr,ssim,lpips"):
        if "lpips" in metrics and not arguments.lpips:
            continue
        yield "eval-metrics", metrics, lambda m=metrics: eval_metrics(arguments, threads, m)
    for variant in ("reflect", "ffmpeg"):
        yield (
            f"eval-metrics, {variant}",
            "psnr,ssim",
            lambda v=variant: eval_metrics(arguments, threads, "psnr,ssim", v),
        )
    for name in PYTHON:
        lpips = arguments.lpips and name == "script"
        metrics = "psnr,ssim,lpips" if lpips else "psnr,ssim"
        yield name, metrics, lambda n=name, x=lpips: python_tool(arguments, n, threads, x)
    yield "ffmpeg, filters", "psnr,ssim", lambda: ffmpeg_filters(arguments.work, threads)


def measure(arguments):
    make_files(arguments.work, arguments.pairs, arguments.frames)
    report = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    report.setdefault("rows", {})
    report.update(
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        processors=os.cpu_count(),
        cpu=re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())[1],
        pairs=len(pairs_of(arguments.work)),
        frames=arguments.frames,
        commit=subprocess.run(
            ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
        ).stdout.strip(),
    )
    for threads in arguments.thread_counts:
        if threads == 1:
            os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])
        os.environ.update(environment(threads))
        for tool, metrics, work in rows(arguments, threads):
            key = f"{tool}|{metrics}|{threads}"
            if key in report["rows"] or (arguments.only and arguments.only not in key):
                continue
            load = os.getloadavg()[0]
            try:
                values, seconds = work()
            except (OSError, subprocess.CalledProcessError) as error:
                print(f"{key}: left out: {error}", file=sys.stderr)
                continue
            report["rows"][key] = {
                "values": values,
                "seconds": seconds,
                "wall": sum(s[0] for s in seconds.values()),
                "cpu": sum(s[1] for s in seconds.values()),
                "load": load,
            }
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            arguments.out.write_text(json.dumps(report, indent=1) + "\n")
            print(f"{key}: {report['rows'][key]}", flush=True)
        os.sched_setaffinity(0, range(os.cpu_count()))
    return report


def without_lpips(row):
    """The script's time for PSNR and SSIM alone: its parts run one after the other."""
    kept = [s for name, s in row["seconds"].items() if name != "lpips"]
    return {**row, "wall": sum(s[0] for s in kept), "cpu": sum(s[1] for s in kept)}


def table(report):
    """Markdown: a row per tool, columns per number of threads."""
    shown, lines = {}, []
    for key, row in report["rows"].items():
        tool, metrics, threads = key.split("|")
        shown.setdefault((tool, metrics), {})[int(threads)] = row
        if tool == "script" and "lpips" in metrics:
            shown.setdefault((tool, "psnr,ssim"), {})[int(threads)] = without_lpips(row)
    counts = sorted({n for by in shown.values() for n in by}, key=lambda n: n or 10**6)
    names = {n: "one thread" if n == 1 else "all threads" for n in counts}
    head = ["tool", "metrics", "PSNR", "SSIM", "LPIPS"]
    for n in counts:
        head += [f"{names[n]}: wall s", "CPU s", "CPU s : eval-metrics"]
    lines += ["| " + " | ".join(head) + " |", "|" + "---|" * 5 + "---:|" * (len(head) - 5)]

    def cell(row, metric):
        value = row["values"].get(metric)
        return "" if value is None else f"{value:.5f}"

    for (tool, metrics), by in sorted(shown.items(), key=lambda i: (i[0][1].count(","), i[0][1])):
        first = next(iter(by.values()))
        cells = [tool, metrics.replace(",", ", ")]
        cells += [cell(first, m) if m in metrics else "" for m in ("psnr", "ssim", "lpips")]
        for n in counts:
            row, ours = by.get(n), shown.get(("eval-metrics", metrics), {}).get(n)
            cells += [f"{row['wall']:.1f}", f"{row['cpu']:.1f}"] if row else ["", ""]
            cells.append(f"{row['cpu'] / ours['cpu']:.2f}" if row and ours else "")
        lines.append("| " + " | ".join(cells) + " |")
    loads = [row["load"] for row in report["rows"].values()]
    lines += [
        "",
        f"{report['cpu']}, {report['processors']} processors; {report['date']}, commit "
        f"{report['commit']}; "
        f"{report['pairs']} pairs of {SIZE[0]}x{SIZE[1]}, {report['frames']} frames "
        f"each. Load of the machine before a row, one minute's mean: {min(loads):.1f} to {max(loads):.1f}.",
    ]
    return "\n".join(lines)


def put(path, text):
    page = path.read_text()
    before, rest = page.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bin", type=Path, default=ROOT / "build/release/bin", help="Programs")
    parser.add_argument("--work", type=Path, default=Path("out/peers"), help="Folder for the files")
    parser.add_argument(
        "--out", type=Path, default=Path("out/peers.json"), help="Results; rows in it are kept"
    )
    parser.add_argument("--table", type=Path, help="Put the table between the marks of this page")
    parser.add_argument("--pairs", type=int, default=len(SOURCES))
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--thread-counts", type=int, nargs="+", default=[1, 0], help="0 = all")
    parser.add_argument("--no-lpips", dest="lpips", action="store_false", default=None)
    parser.add_argument("--only", help="Measure rows that have this text")
    parser.add_argument("--child", choices=PYTHON, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--lpips", action="store_true", default=None, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        arguments.lpips = bool(arguments.lpips)
        return child(arguments)
    arguments.lpips = arguments.lpips is not False
    arguments.work = arguments.work.resolve()
    report = measure(arguments)
    text = table(report)
    print(text)
    if arguments.table:
        put(arguments.table, text)


if __name__ == "__main__":
    main()
