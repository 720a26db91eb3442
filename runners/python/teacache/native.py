"""Loads the compiled part of the package, and LibTorch where it is needed."""

import os

from .errors import TeaCacheError

TORCH = "2.11"  # whose library the wheel was built against


def native():
    """The bindings. Raises TeaCacheError where the package runs from its sources, uncompiled."""
    try:
        from . import _native
    except ImportError as error:
        raise TeaCacheError(
            "teacache", f"must be installed (pip install .) but its compiled part is not: {error}"
        ) from None
    return _native


def require_torch(what):
    """Imports torch for `what`. Raises TeaCacheError without it, and for another version."""
    try:
        import torch
    except ImportError:
        raise TeaCacheError(
            what, f"needs torch =={TORCH}.* but it is not installed (pip install torch=={TORCH}.*)"
        ) from None
    if not torch.__version__.startswith(TORCH + "."):
        raise TeaCacheError(what, f"needs torch =={TORCH}.* but {torch.__version__} is installed")
    return torch


def paths(value):
    """A path or a list of paths as a list of str."""
    if isinstance(value, str | os.PathLike):
        return [os.fspath(value)]
    return [os.fspath(path) for path in value]
