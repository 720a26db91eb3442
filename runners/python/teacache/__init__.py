"""Calibrates and applies TeaCache in the pipeline where a model runs already."""

from .errors import TeaCacheError
from .recorder import TraceRecorder
from .version import __version__

__all__ = ["TeaCacheError", "TraceRecorder", "__version__"]
