"""Runs the parts of the GPU run in their order and writes gpu.json after each of them."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Callable, NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# What the kit takes from the machine's packages: headers of /usr/include, and libraries.
HEADERS = ["nlohmann", "fmt", "CLI", "hwy", "gtest", "gmock", "benchmark", "simdjson.h"]
LIBRARIES = ["libgtest.a", "libgmock.a", "libbenchmark_main.a"]
LIBRARIES += ["libbenchmark.so", "libhwy.so", "libsimdjson.so"]
# Of the repository, what the archive of --pack leaves out: nothing on a GPU machine reads it.
NOT_PACKED = (
    "datasets/coefficients/",
    "docs/report.png",
    "tests/fuzz/",
    "tests/golden/metrics/",
    "tests/golden/pictures/",
)
SHORTEST = 5  # seconds: with less left, no part is started


class NotRun(Exception):
    """A part that this machine cannot run; the reason is its message."""


class OutOfTime(NotRun):
    """Stopped at the limit of the part or of the whole run."""


class Context:
    """Where things are, and how long they may take."""

    def __init__(self, arguments):
        self.emulate = arguments.emulate
        self.out = Path(arguments.out).resolve()
        self.build = Path(arguments.build).resolve()
        self.kit = Path(arguments.kit).resolve() if arguments.kit else None
        self.end = time.monotonic() + arguments.limit
        self.architecture = arguments.architecture
        self.python = arguments.python or python_with_torch()
        self.scratch = Path(tempfile.mkdtemp(prefix="teacache-gpu-"))

    def left(self):
        return self.end - time.monotonic()

    def program(self, gpu, emulated=None):
        """A built program; where there is no GPU, the one that runs on emulated devices."""
        path = self.build / (emulated or gpu if self.emulate else gpu)
        if not path.exists():
            raise RuntimeError(f"{path.relative_to(self.build)} is not built")
        return str(path)

    def run(self, command, most=None, environment=None):
        """Its output, standard error included. Raises RuntimeError where it fails."""
        seconds = max(1.0, min(self.left(), most or self.left()))
        process = subprocess.Popen(
            [str(c) for c in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.scratch,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            output, _ = process.communicate()
            raise OutOfTime(f"stopped after {seconds:.0f} s; {tail(output)}") from None
        if process.returncode != 0:
            raise RuntimeError(f"exit code {process.returncode}; {tail(output)}")
        return output

    def torch(self, *arguments, most=None):
        """One of the Python sides (tests/gpu/*.py), whose last line is JSON."""
        if self.python is None:
            raise NotRun("no Python with PyTorch")
        device = "cpu" if self.emulate else "cuda"
        output = self.run([self.python, *arguments, "--device", device], most)
        return json.loads(output.strip().splitlines()[-1])

    def googletest(self, program, pattern="*", most=None):
        """Counts, names of what was skipped, and the properties that tests recorded."""
        report = self.scratch / "googletest.json"
        self.run(
            [program, f"--gtest_filter={pattern}", f"--gtest_output=json:{report}"],
            most,
            {"OMP_NUM_THREADS": "2"} if self.emulate else None,
        )
        result = {"passed": 0, "skipped": [], "largest_difference": {}}
        for suite in json.loads(report.read_text())["testsuites"]:
            for test in suite["testsuite"]:
                name = f"{suite['name']}.{test['name']}"
                if test["result"] == "SKIPPED":
                    result["skipped"].append(name)
                elif test["status"] == "RUN":
                    result["passed"] += 1
                if "largest_difference" in test:
                    result["largest_difference"][name] = float(test["largest_difference"])
        if result["passed"] == 0:
            raise NotRun("every test was skipped: " + ", ".join(result["skipped"]))
        return result

    def benchmark(self, program, pattern, most=None):
        """Name -> time in milliseconds and counters."""
        report = self.scratch / "benchmark.json"
        report.unlink(missing_ok=True)
        small = {"TEACACHE_BENCHMARK_SMALL": "1"} if self.emulate else {}
        self.run(
            [
                program,
                f"--benchmark_filter={pattern}",
                f"--benchmark_out={report}",
                "--benchmark_out_format=json",
                *(["--benchmark_min_time=0.001"] if self.emulate else []),
            ],
            most,
            small,
        )
        known = {"name", "family_index", "per_family_instance_index", "run_name", "run_type"}
        known |= {"repetitions", "repetition_index", "threads", "iterations", "time_unit"}
        known |= {"cpu_time"}
        result = {}
        for one in json.loads(report.read_text())["benchmarks"]:
            if one.get("error_occurred"):
                raise RuntimeError(f"{one['name']}: {one['error_message']}")
            scale = {"ns": 1e-6, "us": 1e-3, "ms": 1, "s": 1e3}[one["time_unit"]]
            values = {k: v for k, v in one.items() if k not in known}
            values["ms"] = values.pop("real_time") * scale
            result[one["name"]] = values
        if not result:
            raise NotRun(f"no benchmark matches {pattern}")
        return result


def python_with_torch():
    """python3, or that of tests/python/run.sh; None where neither has PyTorch."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    deps = os.environ.get("TEACACHE_DEPS_DIR") or Path(cache) / "teacache-toolkit"
    find = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"
    for python in ("python3", str(Path(deps) / "python-tests/bin/python")):
        if shutil.which(python) and subprocess.run([python, "-c", find]).returncode == 0:
            return python
    return None


def tail(text, lines=12):
    return "\n".join(text.strip().splitlines()[-lines:])


# ------------------------------------------------------------------------------- parts


def configure_and_build(c):
    if c.emulate:
        return {"folder": str(c.build), "note": "built before"}
    if c.kit is None:
        raise NotRun("no --kit; the programs must be in --build already")
    if c.python is None:
        raise RuntimeError("no Python with PyTorch")
    folder = c.run([c.python, "-c", "import torch; print(torch.__path__[0])"]).strip()
    nvcc = os.environ.get("CUDACXX") or shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"
    c.run(
        [
            *("cmake", "-S", ROOT, "-B", c.build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release"),
            *(f"-DTEACACHE_GPU_KIT={c.kit}", "-DTEACACHE_CUDA=ON", f"-DTorch_ROOT={folder}"),
            *(f"-DCMAKE_CUDA_COMPILER={nvcc}", f"-DCMAKE_CUDA_ARCHITECTURES={c.architecture}"),
        ]
    )
    c.run(["cmake", "--build", c.build])
    return {"folder": str(c.build)}


def device(c):
    return c.torch(HERE / "torch_side.py", "device")


def metrics_gpu(c):
    return c.googletest(c.program("tests/metrics_gpu_test", "tests/metrics_emulated_gpu_test"))


def systems(pattern):
    def part(c):
        program = c.program("tests/gpu_systems_test")
        # A minute each on a CPU: its convolutions over time have no fast kernel in half precision.
        slow = "-*CausalDecoder/*float16:*OpenSoraPlan/*float16" if c.emulate else ""
        return c.googletest(program, pattern + slow)

    return part


def scores(c):
    """eval-metrics from files to numbers, and the same on the CPU; on the CPU twice where there is
    no GPU, since its GPU code is in a module that is not emulated (metrics.gpu tests the scorer)."""
    videos = c.scratch / "videos"
    small = ["--frames", "8", "--width", "208", "--height", "128"] if c.emulate else []
    c.run([sys.executable, HERE / "make_videos.py", videos, *small])
    program = c.program("bin/eval-metrics")
    result, summaries = {}, {}
    for name in ("cpu", "cuda"):
        start = time.monotonic()
        scores = videos / f"{name}.json"
        device = "cpu" if c.emulate else name
        c.run(
            [
                *(program, "--gt", videos / "gt", "--gen", videos / "gen", "--device", device),
                *("--weights", videos / "weights", "--metrics", "psnr,ssim,lpips"),
                *("--json", scores),
            ]
        )
        result[f"seconds_{name}"] = time.monotonic() - start
        summaries[name] = json.loads(scores.read_text())["summary"]
    for metric, tolerance in (("psnr", 1e-9), ("ssim", 2e-7), ("lpips", 1e-5)):
        here, there = (summaries[n][metric]["mean"] for n in ("cpu", "cuda"))
        result[metric] = {"cpu": here, "cuda": there}
        if not abs(here - there) <= tolerance * max(1.0, abs(here)):
            raise RuntimeError(f"{metric}: {there} on the device, {here} on the CPU")
    return result


def bundles(backend):
    def part(c):
        if c.emulate and backend == "aoti":
            raise NotRun("compiles for a minute; tests/python does so on the CPU")
        return c.torch(HERE / "bundles_on_device.py", "--backend", backend, most=60)

    return part


def sanitizer(tool):
    def part(c):
        if c.emulate:
            raise NotRun("needs a GPU")
        program = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
        if not Path(program).exists():
            raise NotRun("compute-sanitizer is not installed")
        tests = "Gpu.SquaredErrorsAreExact:Gpu.SsimEqualsPlain:Gpu.LayerDistancesEqualPlain"
        output = c.run(
            [
                *(program, "--tool", tool, "--error-exitcode", "9"),
                *(c.program("tests/metrics_gpu_test"), f"--gtest_filter={tests}"),
            ],
            most=60,
        )
        return {"summary": tail(output, 2)}

    return part


def frame_benchmarks(c):
    program = c.program("benchmarks/gpu_benchmark", "benchmarks/gpu_emulated_benchmark")
    return {"ours": c.benchmark(program, "."), "torch": c.torch(HERE / "torch_side.py", "frames")}


def block_benchmarks(c):
    program = c.program("benchmarks/models_benchmark", "benchmarks/models_emulated_benchmark")
    return {
        "ours": c.benchmark(program, "Block/gpu"),
        "torch": c.torch(HERE / "torch_side.py", "blocks"),
    }


def bookkeeping(c):
    program = c.program("benchmarks/models_benchmark", "benchmarks/models_emulated_benchmark")
    return c.benchmark(program, "(Bookkeeping|SkippedCall|Forecast).*/gpu")


class Part(NamedTuple):
    name: str
    run: Callable
    needs: float  # seconds that must be left for it to start


# Checks first, the cheapest in front; then figures; last what takes longest and matters least.
PARTS = [
    Part("build", configure_and_build, SHORTEST),
    Part("device", device, SHORTEST),
    Part("metrics.gpu", metrics_gpu, SHORTEST),
    Part("samplers", systems("*Samplers*"), SHORTEST),
    Part("decoders and text encoder", systems("*Parts*"), SHORTEST),
    Part("systems", systems("*Systems*"), SHORTEST),
    Part("offload", systems("*Offload*"), SHORTEST),
    Part("out of memory", systems("*Memory*"), SHORTEST),
    Part("eval-metrics", scores, 10),
    Part("bundles, TorchScript", bundles("torchscript"), 10),
    Part("sanitizer, memcheck", sanitizer("memcheck"), 20),
    Part("sanitizer, racecheck", sanitizer("racecheck"), 20),
    Part("frames", frame_benchmarks, 20),
    Part("blocks", block_benchmarks, 20),
    Part("bookkeeping", bookkeeping, 15),
    Part("bundles, AOTInductor", bundles("aoti"), 30),
]


# ------------------------------------------------------------------------------- the run


def commit():
    packed = ROOT / "COMMIT"  # in an archive of --pack
    if packed.exists():
        return packed.read_text().strip()
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def write(path, report):
    pending = path.with_suffix(".part")
    pending.write_text(json.dumps(report, indent=1) + "\n")
    pending.replace(path)


def run_parts(c, parts):
    report = {
        "format": "teacache-gpu-run",
        "version": 1,
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "emulated": c.emulate,
        "parts": {p.name: {"state": "not run", "reason": "its turn did not come"} for p in parts},
    }
    c.out.mkdir(parents=True, exist_ok=True)
    path = c.out / "gpu.json"
    write(path, report)
    for part in parts:
        entry = report["parts"][part.name]
        start = time.monotonic()
        try:
            if c.left() < part.needs:
                raise NotRun(f"{c.left():.0f} s were left, {part.needs:.0f} s are needed")
            entry.pop("reason")
            entry["result"] = part.run(c)
            entry["state"] = "ran"
        except NotRun as reason:
            entry.update(state="not run", reason=str(reason))
        except (RuntimeError, OSError, ValueError, KeyError) as error:
            entry.update(state="failed", reason=f"{type(error).__name__}: {error}")
        entry["seconds"] = round(time.monotonic() - start, 1)
        write(path, report)
        reason = "" if entry["state"] == "ran" else ": " + entry["reason"]
        print(f"{part.name}: {entry['state']}, {entry['seconds']} s{reason}", flush=True)
        if part.name == "build" and entry["state"] == "failed":
            break
    states = [e["state"] for e in report["parts"].values()]
    counts = [states.count(s) for s in ("ran", "failed", "not run")]
    print("{} parts ran, {} failed, {} not run; {}".format(*counts, path))
    return 1 if "failed" in states else 0


# ------------------------------------------------------------------------------- packing


def library_file(name):
    """lib*.so -> the file behind the link and the name under which programs look for it."""
    folders = subprocess.run(
        ["c++", "-print-search-dirs"], capture_output=True, text=True, check=True
    )
    places = re.search(r"libraries: =(.*)", folders.stdout)[1].split(":")
    for place in places:
        path = Path(place) / name
        if not path.exists():
            continue
        dynamic = subprocess.run(["objdump", "-p", path], capture_output=True, text=True)
        soname = re.search(r"SONAME\s+(\S+)", dynamic.stdout)
        return path.resolve(), soname[1] if soname else name
    raise SystemExit(f"run.sh: {name} is not installed (./build.sh deps)")


def make_kit(folder):
    """Headers and libraries of this machine's packages that the GPU machine has not."""
    for name in HEADERS:
        source = Path("/usr/include") / name
        target = folder / "include" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, target)
    (folder / "lib").mkdir(exist_ok=True)
    for name in LIBRARIES:
        source, target = library_file(name)
        shutil.copyfile(source, folder / "lib" / target)


def pack(target):
    """A folder: the kit alone. A .tar.gz: the kit and what of the repository is needed."""
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    if not target.endswith(".tar.gz"):
        make_kit(Path(target))
        print(f"{target}: the kit; run there: tests/gpu/run.sh --kit {target} --out DIR")
        return
    tracked = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=True
    )
    with tempfile.TemporaryDirectory() as scratch, tarfile.open(target, "w:gz") as archive:
        make_kit(Path(scratch))
        archive.add(scratch, "teacache/kit")
        (Path(scratch) / "COMMIT").write_text(commit() + "\n")
        archive.add(Path(scratch) / "COMMIT", "teacache/COMMIT")
        for name in filter(None, tracked.stdout.split("\0")):
            if not name.startswith(NOT_PACKED):
                archive.add(ROOT / name, f"teacache/{name}")
    size = os.path.getsize(target) / 2**20
    print(
        f"{target}: {size:.1f} MiB; run there, in teacache/: tests/gpu/run.sh --kit kit --out DIR"
    )
    if size >= 40:
        raise SystemExit("run.sh: an archive for a GPU machine must stay below 40 MiB")


def main():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__)
    parser.add_argument("--out", default="out/gpu", help="Write gpu.json here (default: out/gpu)")
    parser.add_argument(
        "--kit", help="Build with the headers and libraries of this folder (--pack)"
    )
    parser.add_argument(
        "--build", help="Folder of the programs (default: build/gpu, or build/release)"
    )
    parser.add_argument(
        "--architecture",
        default="native",
        help="Of the build: native, or a number such as 90 where there is no GPU (default: native)",
    )
    parser.add_argument("--limit", type=float, default=470, help="Seconds in all (default: 470)")
    parser.add_argument("--emulate", action="store_true", help="Run what runs without a GPU")
    parser.add_argument("--only", help="Run the parts whose name has this text")
    parser.add_argument(
        "--list", action="store_true", help="Print the parts in their order and exit"
    )
    parser.add_argument("--python", help="The Python that has PyTorch (default: found by itself)")
    parser.add_argument(
        "--pack",
        metavar="TARGET",
        help="Write the kit into a folder, or all that a GPU "
        "machine needs into a .tar.gz, and exit",
    )
    arguments = parser.parse_args()
    if arguments.pack:
        return pack(arguments.pack)
    parts = [p for p in PARTS if not arguments.only or arguments.only in p.name]
    if arguments.list:
        print("\n".join(p.name for p in parts))
        return 0
    if arguments.build is None:
        arguments.build = ROOT / "build" / ("release" if arguments.emulate else "gpu")
    c = Context(arguments)
    try:
        return run_parts(c, parts)
    finally:
        shutil.rmtree(c.scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
