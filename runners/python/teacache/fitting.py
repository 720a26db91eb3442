"""Coefficients and thresholds: fit-coeffs as functions."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .errors import TeaCacheError
from .native import native, paths


class Fit:
    """What fit-coeffs finds. `report` is all of it, as `fit-coeffs --json` writes it, without the
    pairs."""

    def __init__(self, report: dict[str, Any]):
        self.report = report

    @property
    def coefficients(self) -> list[float]:
        """Highest power first; of a model with several experts, the first one's."""
        return self._set["coefficients"]

    @property
    def threshold(self) -> float | None:
        """Of the accumulated f(x); None where none was asked for or none reaches the target."""
        return self._set.get("threshold")

    @property
    def x_range(self) -> tuple[float, float]:
        """The range of x that was fitted."""
        return tuple(self._set.get("x_range", (0.0, 0.0)))

    @property
    def verdict(self) -> str:
        """Whether the polynomial is worth using: "use", or why not."""
        return self.report["experts"][0]["verdict"]["kind"]

    @property
    def verdict_text(self) -> str:
        return self.report["experts"][0]["verdict"]["text"]

    @property
    def statistics(self) -> dict[str, Any]:
        """By name ("r2", "rmse", "cv_r2" of prompts left out, ...): {"value"}, perhaps "ci95"."""
        return self._set.get("stats", {})

    @property
    def warnings(self) -> list[str]:
        return self.report["warnings"]

    @property
    def _set(self):
        return self.report["coefficients"]

    def __call__(self, x):
        """f(x), for a number or an array."""
        return np.polyval(self.coefficients, x)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the coefficients file (datasets/schemas/coefficients.schema.json)."""
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.report["coefficients"], file, indent=1)

    def __repr__(self):
        return f"Fit(coefficients={self.coefficients}, verdict={self.verdict!r})"


def _numbers(name, values):
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise TeaCacheError(name, "must be numbers but is not") from None
    if array.ndim != 1:
        raise TeaCacheError(name, f"must have the shape [pairs] but has {list(array.shape)}")
    wrong = ~(np.isfinite(array) & (array >= 0))
    if wrong.any():
        i = int(np.argmax(wrong))
        raise TeaCacheError(name, f"must be finite and not negative but pair {i} is {array[i]}")
    return array


def _quoted(text):
    text = str(text)
    if "\n" in text or "\r" in text:
        raise TeaCacheError("prompts", "must be of one line each but one has several")
    return '"' + text.replace('"', '""') + '"'


def _table(x, y, columns):
    """The pairs as the CSV that fit-coeffs reads."""
    x, y = _numbers("x", x), _numbers("y", y)
    if len(x) == 0:
        raise TeaCacheError("x", "must have at least one pair but is empty")
    rows = [map(repr, x.tolist()), map(repr, y.tolist())]
    names = ["x", "y"]
    for name, plural, values in columns:
        if values is None:
            continue
        values = values.tolist() if hasattr(values, "tolist") else list(values)
        names.append(name)
        if name in ("seed", "step"):
            rows.append([str(int(value)) for value in values])
        else:
            rows.append([_quoted(value) for value in values])
        if len(rows[-1]) != len(x):
            raise TeaCacheError(plural, f"must be as many as x, {len(x)}, but are {len(rows[-1])}")
    if len(y) != len(x):
        raise TeaCacheError("y", f"must be as many as x, {len(x)}, but are {len(y)}")
    return ",".join(names) + "\n" + "".join(",".join(row) + "\n" for row in zip(*rows, strict=True))


def _options(
    *,
    degree,
    method,
    engine,
    non_negative,
    monotone,
    through_origin,
    weights,
    branch,
    all_calls,
    modulated,
    threshold,
    target_speedup,
    target_skips,
    bootstrap,
    seed,
):
    options = native().FitOptions()
    if degree == "auto":
        options.choose_degree = True
    elif degree is None:
        options.lower_degree = True
    else:
        options.degree = degree
    options.method, options.weights = method, weights
    options.non_negative, options.monotone = non_negative, monotone
    options.through_origin = through_origin
    options.bootstrap, options.seed = bootstrap, seed
    for name, value in {
        "threshold": threshold,
        "target_speedup": target_speedup,
        "target_skips": target_skips,
    }.items():
        if value is not None:
            setattr(options, name, float(value))
    calibration = native().CalibrationInput()
    calibration.engine, calibration.branch = engine, branch
    calibration.all_calls, calibration.modulated = all_calls, modulated
    return options, calibration


def fit(
    x: Sequence[float],
    y: Sequence[float],
    *,
    prompts: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    steps: Sequence[int] | None = None,
    branches: Sequence[str] | None = None,
    degree: int | str | None = None,
    method: str = "ceres",
    engine: str = "teacache",
    non_negative: bool = False,
    monotone: bool = False,
    through_origin: bool = False,
    weights: str = "none",
    branch: str = "all",
    all_calls: bool = False,
    modulated: str = "",
    threshold: float | None = None,
    target_speedup: float | None = None,
    target_skips: float | None = None,
    bootstrap: int = 1000,
    seed: int = 1,
) -> Fit:
    """Fits y = f(x) to pairs and judges whether f is worth using.

    x, y: [pairs], finite and not negative: the relative L1 change of the modulated input from one
    call to the next, and that of the blocks' residual (ratios, no unit). prompts, seeds, steps (of
    the later call), branches: [pairs] each, of which run a pair is. Without prompts the verdict can
    only leave calls out; without steps nothing can be replayed, so no target can be reached.
    degree: 0 to 12, "auto" (cross-validated), or None: 4, or less where the pairs cannot bear it.
    The others are the flags of fit-coeffs of the same names.

    Raises TeaCacheError for what fit-coeffs refuses.
    """
    table = _table(
        x,
        y,
        [
            ("prompt", "prompts", prompts),
            ("seed", "seeds", seeds),
            ("branch", "branches", branches),
            ("step", "steps", steps),
        ],
    )
    options, calibration = _options(
        degree=degree,
        method=method,
        engine=engine,
        non_negative=non_negative,
        monotone=monotone,
        through_origin=through_origin,
        weights=weights,
        branch=branch,
        all_calls=all_calls,
        modulated=modulated,
        threshold=threshold,
        target_speedup=target_speedup,
        target_skips=target_skips,
        bootstrap=bootstrap,
        seed=seed,
    )
    calibration.files, calibration.text = ["pairs"], table
    options.input = calibration
    return Fit(json.loads(native().fit(options)))


def fit_traces(
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    degree: int | str | None = None,
    method: str = "ceres",
    engine: str = "teacache",
    target: str = "residual",
    non_negative: bool = False,
    monotone: bool = False,
    through_origin: bool = False,
    weights: str = "none",
    branch: str = "all",
    all_calls: bool = False,
    modulated: str = "",
    threshold: float | None = None,
    target_speedup: float | None = None,
    target_skips: float | None = None,
    bootstrap: int = 1000,
    seed: int = 1,
) -> Fit:
    """Fits to traces (of TraceRecorder or record-diffs), or to files of the engines that fit-coeffs
    reads. target_speedup, target_skips: choose the threshold by replaying the engine's rule. The
    arguments are the flags of fit-coeffs. Raises TeaCacheError for what it refuses.
    """
    options, calibration = _options(
        degree=degree,
        method=method,
        engine=engine,
        non_negative=non_negative,
        monotone=monotone,
        through_origin=through_origin,
        weights=weights,
        branch=branch,
        all_calls=all_calls,
        modulated=modulated,
        threshold=threshold,
        target_speedup=target_speedup,
        target_skips=target_skips,
        bootstrap=bootstrap,
        seed=seed,
    )
    calibration.files, calibration.target = paths(files), target
    options.input = calibration
    return Fit(json.loads(native().fit(options)))


def replay(
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    coefficients: Fit | str | os.PathLike[str] | Sequence[float],
    thresholds: float | Sequence[float],
    *,
    engine: str = "teacache",
    branch: str = "all",
    modulated: str = "",
    runs: bool = False,
) -> list[dict[str, Any]]:
    """Runs recorded traces through an engine's rule: which calls it would skip.

    coefficients: a Fit, a file, the name of a published set (`fit-coeffs list`), or numbers, the
    highest power first. thresholds: of the accumulated f(x), > 0. Gives one record per threshold
    (and expert): "expert", "threshold", "calls" (of a run), "mean_skips", "min_skips", "max_skips",
    "longest_run" (of skips), "speedup" (of the transformer calls); with runs=True one per threshold
    and run: "prompt", "seed", "branch", "skips", "longest_run", "schedule" (a letter per call, "C"
    computed, "S" skipped). Once calls are skipped the latents drift: a prediction, no measurement.

    Raises TeaCacheError for what fit-coeffs refuses, and for pairs without steps.
    """
    if isinstance(coefficients, Fit):
        text = json.dumps(coefficients.coefficients)
        if coefficients.report["coefficients"].get("experts"):
            raise TeaCacheError("coefficients", "must be saved to a file for several experts")
    elif isinstance(coefficients, str | os.PathLike):
        text = os.fspath(coefficients)
    else:
        text = json.dumps([float(value) for value in coefficients])
    values = [thresholds] if np.ndim(thresholds) == 0 else thresholds
    values = [float(value) for value in values]
    for value in values:
        if not (value > 0 and np.isfinite(value)):
            raise TeaCacheError("thresholds", f"must be positive but one is {value}")
    calibration = native().CalibrationInput()
    calibration.files, calibration.engine = paths(files), engine
    calibration.branch, calibration.modulated = branch, modulated
    return json.loads(native().replay(calibration, text, values, runs))
