"""What the installed package is: imports without torch, type hints, programs."""

import inspect
import os
import pathlib
import subprocess
import sys

import pytest

teacache = pytest.importorskip("teacache")
pytest.importorskip("teacache._native", reason="the wheel is not installed (tests/python/run.sh)")

FUNCTIONS = ["evaluate", "psnr", "ssim", "ms_ssim", "lpips", "fit", "fit_traces", "replay"]


def python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": ":".join(sys.path)},
    )


def test_versions_agree():
    assert teacache.__version__ == teacache._native.version


def test_import_needs_no_torch():
    out = python(
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np, teacache\n"
        "a = np.zeros((32, 32, 3), np.uint8)\n"
        "print(teacache.psnr(a, a + 1), teacache.fit([1, 2, 3], [1, 2, 3], degree=1).verdict)\n"
        "try: teacache.lpips(a, a)\n"
        "except teacache.TeaCacheError as error: print(error)\n"
    )
    assert out.returncode == 0, out.stderr
    assert out.stdout.startswith("48.13")
    assert "needs torch ==2.11.* but it is not installed" in out.stdout


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_documented(name):
    function = getattr(teacache, name)
    assert name in teacache.__all__
    assert len(inspect.getdoc(function)) > 100
    hints = inspect.signature(function)
    if name in ("evaluate", "fit", "fit_traces", "replay"):
        assert hints.return_annotation is not inspect.Signature.empty
        for parameter in hints.parameters.values():
            assert parameter.annotation is not inspect.Parameter.empty, parameter
    assert (pathlib.Path(teacache.__file__).parent / "py.typed").exists()


def test_programs_run_from_the_package():
    from teacache import programs

    for program, function in {"fit-coeffs": "fit_coeffs", "eval-metrics": "eval_metrics"}.items():
        assert (programs.FOLDER / program).exists()
        run = f"from teacache import programs; import sys; sys.exit(programs.{function}())"
        out = python(run, "--version")
        assert (out.returncode, out.stdout.strip()) == (0, teacache.__version__), out.stderr
    out = python("from teacache import programs; programs.teacache()", "eval", "--version")
    assert out.stdout.strip() == teacache.__version__, out.stderr


def test_programs_without_torch_say_so():
    code = (
        "import sys, teacache.programs as p; p._torch_library = lambda: None\n"
        "sys.exit(p.generate_videos())"
    )
    out = python(code, "--help")
    assert out.returncode == 2
    assert out.stderr.startswith("generate-videos: ") and "torch ==2.11.*" in out.stderr
