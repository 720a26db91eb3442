"""Tests run on one thread each, on models of random weights."""

import importlib.util
import os
import pathlib
import sys

import pytest

_ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(_ROOT / "tests" / "python"))
if importlib.util.find_spec("teacache") is None:  # run.sh installs it; its sources have no bindings
    sys.path.insert(0, str(_ROOT / "runners" / "python"))
# jsonschema and pandas, in the environment with torch too.
sys.path.extend(filter(None, [os.environ.get("TEACACHE_TOOLS_SITE")]))

try:
    import torch
except ImportError:
    # What runs models.
    collect_ignore_glob = ["test_apply*", "test_export*", "test_recorder*", "test_bundle*"]
else:
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
