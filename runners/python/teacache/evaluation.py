"""Scores of videos in files: eval-metrics as a function."""

from __future__ import annotations

import json
import os
import warnings as python_warnings
from collections.abc import Iterable
from typing import Any

from .native import native, require_torch


class Evaluation(list):
    """One record (dict) per pair of videos, so that pandas.DataFrame(evaluation) is the table:
    "name", one value per metric, "frames", "identical_frames", "error" (None = scored) and, with
    per_frame=True, "per_frame" (dict of lists).

    A metric without a finite value is None, with "identical": True for videos that are identical to
    their ground truth.
    """

    def __init__(self, results: dict[str, Any]):
        self.results = results  # everything, as results.json (datasets/schemas/results.schema.json)
        names = [metric["name"] for metric in results["metrics"]]
        super().__init__(_record(video, names) for video in results["videos"])

    @property
    def summary(self) -> dict[str, dict[str, Any]]:
        """By metric: "mean", "median", "std", "min", "max", "ci95" ([low, high]), "p5", "n", ..."""
        return self.results["summary"]

    @property
    def warnings(self) -> list[str]:
        return self.results.get("warnings", [])

    @property
    def unmatched(self) -> list[str]:
        """Videos without a partner, of both sides."""
        return self.results.get("unmatched_gt", []) + self.results.get("unmatched_gen", [])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes results.json, which sweep-report and fit-coeffs --sweep read."""
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.results, file, indent=1)


def _record(video, metrics):
    record = {"name": video["name"]}
    record |= {metric: video.get(metric) for metric in metrics}
    record["frames"] = video.get("frames")
    record["identical"] = video.get("identical", False)
    record["identical_frames"] = video.get("identical_frames")
    record["error"] = video.get("error") or None
    if "per_frame" in video:
        record["per_frame"] = video["per_frame"]
    return record


def evaluate(
    gt: str | os.PathLike[str],
    gen: str | os.PathLike[str],
    metrics: str | Iterable[str] | None = None,
    *,
    recursive: bool = False,
    items: str = "videos",
    size: str = "strict",
    length: str = "strict",
    per_frame: bool = False,
    bootstrap: int = 10000,
    seed: int = 0,
    jobs: int = 0,
    psnr_cap: float = float("inf"),
    ssim_variant: str = "wang-rgb",
    lpips_net: str = "alex",
    lpips_spatial: bool = True,
    weights: str | os.PathLike[str] | None = None,
    device: str = "cpu",
) -> Evaluation:
    """Scores the videos of `gen` against those of `gt`, paired by file name.

    gt, gen: a folder, a video, a folder of pictures, a .safetensors file or a .txt list of videos.
    metrics: any of "psnr" (dB), "ssim" (-1 to 1), "ms-ssim" (0 to 1), "lpips" (0 = identical), as a
    list or separated by commas; default: psnr, ssim and, where it is installed, lpips. The other
    arguments are the flags of eval-metrics of the same names (`eval-metrics --help`); jobs=0: one
    video per processor at the same time.

    A pair that cannot be scored is a record with an "error". Raises TeaCacheError for mistakes of
    the whole call: nothing to compare, unknown metrics, LPIPS asked for but not installed.
    """
    options = native().EvaluateOptions()
    options.gt, options.gens = os.fspath(gt), [os.fspath(gen)]
    options.recursive, options.items = recursive, items
    options.size, options.length = size, length
    options.per_frame, options.jobs = per_frame, jobs
    options.bootstrap, options.seed = bootstrap, seed
    names = metrics if isinstance(metrics, str) else ",".join(metrics or [])
    if "lpips" in names.split(","):
        require_torch("teacache.evaluate: lpips")
    elif not names:
        _import_torch()
    if device != "cpu":
        require_torch("teacache.evaluate: device")
    metric_options = native().MetricOptions(
        float(psnr_cap),
        ssim_variant,
        lpips_net,
        lpips_spatial,
        "" if weights is None else os.fspath(weights),
    )
    text, notes = native().evaluate(options, names, metric_options, device)
    for note in notes:
        python_warnings.warn(note, stacklevel=2)
    return Evaluation(json.loads(text))


def _import_torch():
    """Loads LibTorch where it is installed, so that LPIPS is among the default metrics."""
    try:
        import torch  # noqa: F401
    except ImportError:
        pass
