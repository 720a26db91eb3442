"""Tests run on one thread each, on models of random weights."""

import os
import pathlib
import sys

import pytest

_ROOT = pathlib.Path(__file__).parents[2]
for folder in (_ROOT / "runners" / "python", _ROOT / "tests" / "python"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
torch.set_num_threads(1)


@pytest.fixture
def program():
    """Finds a program of the toolkit, or skips the test."""

    def find(name):
        folder = os.environ.get("TEACACHE_BIN_DIR", _ROOT / "build" / "release" / "bin")
        path = pathlib.Path(folder) / name
        if not path.exists():
            pytest.skip(f"{path} is not built (TEACACHE_BIN_DIR names another folder)")
        return path

    return find
