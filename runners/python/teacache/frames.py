"""Metrics of pictures and videos in memory: NumPy arrays, and tensors on the CPU.

Shapes: [height, width, 3] or [3, height, width] for a picture, with the frames before them for a
video: [frames, height, width, 3] or [frames, 3, height, width]. Values: uint8, or float (16, 32, 64
bit, bfloat16) in [0, 1], which is rounded to the nearest of 256 levels. Any strides: the arrays are
not copied; frames of other types or orders are converted one at a time.

All functions give one number for a picture, and for a video the mean over its frames, as
`eval-metrics` computes it; with per_frame=True an array [frames], float64. They release Python's
lock. They raise TeaCacheError for other shapes and types, arrays of different sizes, values that
are not finite or outside [0, 1], and pictures that are too small for the metric.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from .native import native, require_torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

SsimVariant = Literal["wang-rgb", "wang-y", "skimage7", "reflect", "zeropad", "ffmpeg"]
LpipsNet = Literal["alex", "squeeze", "vgg"]


def _options(psnr_cap=float("inf"), ssim="wang-rgb", net="alex", spatial=True, weights=None):
    import os

    return native().MetricOptions(
        float(psnr_cap), ssim, net, bool(spatial), "" if weights is None else os.fspath(weights)
    )


def _array(value):
    # A tensor that needs a gradient cannot be shared; its values can.
    return value.detach() if getattr(value, "requires_grad", False) else value


def _score(name, a, b, options, per_frame):
    frames, pooled = native().score(name, _array(a), _array(b), options)
    return np.asarray(frames) if per_frame else pooled


@overload
def psnr(a: Any, b: Any, *, cap: float = ..., per_frame: Literal[False] = ...) -> float: ...
@overload
def psnr(a: Any, b: Any, *, cap: float = ..., per_frame: Literal[True]) -> NDArray[np.float64]: ...
def psnr(a, b, *, cap=float("inf"), per_frame=False):
    """Peak signal-to-noise ratio in dB, higher is better: 10 log10(255^2 / mean squared error),
    over all samples of a frame together; inf for identical frames.

    cap: frames above this many dB count as it. Identical frames do not enter the mean of a video
    that also has others.
    """
    return _score("psnr", a, b, _options(psnr_cap=cap), per_frame)


@overload
def ssim(
    a: Any, b: Any, *, variant: SsimVariant = ..., per_frame: Literal[False] = ...
) -> float: ...
@overload
def ssim(
    a: Any, b: Any, *, variant: SsimVariant = ..., per_frame: Literal[True]
) -> NDArray[np.float64]: ...
def ssim(a, b, *, variant="wang-rgb", per_frame=False):
    """Structural similarity, -1 to 1, 1 = identical.

    variant: "wang-rgb" (11x11 Gaussian, TeaCache's), "wang-y" (on luma), "skimage7" (scikit-image's
    default), "reflect" (torchmetrics), "zeropad" (fused-ssim) or "ffmpeg".
    """
    return _score("ssim", a, b, _options(ssim=variant), per_frame)


@overload
def ms_ssim(a: Any, b: Any, *, per_frame: Literal[False] = ...) -> float: ...
@overload
def ms_ssim(a: Any, b: Any, *, per_frame: Literal[True]) -> NDArray[np.float64]: ...
def ms_ssim(a, b, *, per_frame=False):
    """Multi-scale SSIM of Wang, Simoncelli and Bovik (2003), 0 to 1, 1 = identical, as torchmetrics
    computes it. Pictures must have 176x176 pixels or more.
    """
    return _score("ms-ssim", a, b, _options(), per_frame)


@overload
def lpips(
    a: Any,
    b: Any,
    *,
    net: LpipsNet = ...,
    spatial: bool = ...,
    weights: Any = ...,
    per_frame: Literal[False] = ...,
) -> float: ...
@overload
def lpips(
    a: Any,
    b: Any,
    *,
    net: LpipsNet = ...,
    spatial: bool = ...,
    weights: Any = ...,
    per_frame: Literal[True],
) -> NDArray[np.float64]: ...
def lpips(a, b, *, net="alex", spatial=True, weights=None, per_frame=False):
    """LPIPS v0.1, 0 = identical, lower is better. Needs torch ==2.11.*; computed on the CPU.

    net: "alex" (TeaCache's), "squeeze" or "vgg". spatial: the mean of the map scaled to the picture
    (TeaCache's), or of the maps. weights: folder with the weights; default: TEACACHE_WEIGHTS or the
    cache folder (./build.sh weights). Raises TeaCacheError without torch or weights.
    """
    require_torch("teacache.lpips")
    return _score("lpips", a, b, _options(net=net, spatial=spatial, weights=weights), per_frame)
