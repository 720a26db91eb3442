"""Calibrates and applies TeaCache in the pipeline where a model runs already."""

from .apply import AppliedTeaCache, apply_teacache
from .errors import TeaCacheError
from .recorder import TraceRecorder
from .version import __version__

__all__ = ["AppliedTeaCache", "TeaCacheError", "TraceRecorder", "__version__", "apply_teacache"]
