"""The toolkit's programs on PATH: each is run as it is, with LibTorch of the installed torch."""

import importlib.metadata
import importlib.util
import os
import pathlib
import sys

from .native import TORCH

FOLDER = pathlib.Path(__file__).parent / "bin"
_NEED_TORCH = {
    "encode-prompts",
    "generate-videos",
    "inspect-bundle",
    "record-diffs",
    "sweep-report",
}


def _torch_library():
    """The folder of LibTorch, or None. torch itself is not imported: that takes seconds."""
    spec = importlib.util.find_spec("torch")
    folder = pathlib.Path(spec.origin).parent / "lib" if spec and spec.origin else None
    return folder if folder and folder.is_dir() else None


def _fail(name, text):
    print(f"{name}: {text}", file=sys.stderr)
    return 2


def _run(name):
    program = FOLDER / name
    if not program.exists():
        return _fail(name, f"is not in this build of the package (no torch =={TORCH}.* was there)")
    library = _torch_library()
    if name in _NEED_TORCH:
        if library is None:
            return _fail(name, f"needs torch =={TORCH}.* but it is not installed")
        version = importlib.metadata.version("torch")
        if not version.startswith(TORCH + "."):
            return _fail(name, f"needs torch =={TORCH}.* but {version} is installed")
    if library is not None:
        others = os.environ.get("LD_LIBRARY_PATH")
        os.environ["LD_LIBRARY_PATH"] = str(library) + (f":{others}" if others else "")
    os.execv(program, [str(program), *sys.argv[1:]])


def teacache():
    return _run("teacache")


def encode_prompts():
    return _run("encode-prompts")


def eval_metrics():
    return _run("eval-metrics")


def fit_coeffs():
    return _run("fit-coeffs")


def generate_videos():
    return _run("generate-videos")


def inspect_bundle():
    return _run("inspect-bundle")


def record_diffs():
    return _run("record-diffs")


def sweep_report():
    return _run("sweep-report")


def vbench_score():
    return _run("vbench-score")
