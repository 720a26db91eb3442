"""Calibrates TeaCache, applies it in the pipeline where a model runs, and measures what it costs.

Without torch: `evaluate`, `psnr`, `ssim`, `ms_ssim` (videos against their ground truth), `fit`,
`fit_traces`, `replay` (coefficients and thresholds). With torch 2.11: `lpips`. With any torch from
2.4: `TraceRecorder`, `apply_teacache` and `teacache.export`.
"""

from .errors import TeaCacheError
from .version import __version__

# Names by the module that has them; imported when they are asked for, since some need torch.
_MODULES = {
    "AppliedTeaCache": "apply",
    "Evaluation": "evaluation",
    "Fit": "fitting",
    "TraceRecorder": "recorder",
    "apply_teacache": "apply",
    "evaluate": "evaluation",
    "fit": "fitting",
    "fit_traces": "fitting",
    "lpips": "frames",
    "ms_ssim": "frames",
    "psnr": "frames",
    "replay": "fitting",
    "ssim": "frames",
}

__all__ = ["TeaCacheError", "__version__", *_MODULES]


def __getattr__(name):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    module = importlib.import_module(f".{_MODULES[name]}", __name__)
    value = globals()[name] = getattr(module, name)
    return value


def __dir__():
    return sorted({*globals(), *__all__})
