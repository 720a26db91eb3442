"""The coefficients file that fit-coeffs writes (datasets/FORMATS.md, "Coefficients")."""

import json
import math
import os
from dataclasses import dataclass, field

from .errors import TeaCacheError

_FIELDS = {"coefficients", "x_range", "threshold", "stats"}


@dataclass(frozen=True)
class CoefficientSet:
    coefficients: tuple  # highest power first
    x_range: tuple | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Coefficients:
    set: CoefficientSet
    experts: dict = field(default_factory=dict)
    provenance: dict = field(default_factory=dict)

    def of(self, expert):
        if not expert or not self.experts:
            return self.set
        if expert not in self.experts:
            raise TeaCacheError(
                "coefficients",
                f'must have a set for the expert "{expert}" but have {sorted(self.experts)}',
            )
        return self.experts[expert]


def read_coefficients(path):
    where = os.fspath(path)
    try:
        with open(path, encoding="utf-8") as f:
            data = json.load(f)
    except OSError as error:
        raise TeaCacheError(where, f"must be a readable file but: {error.strerror}") from None
    except ValueError as error:
        raise TeaCacheError(where, f"must be JSON but is not: {error}") from None
    if not isinstance(data, dict) or data.get("format") != "teacache-coefficients":
        raise TeaCacheError(
            where, 'must be a file of fit-coeffs ("format": "teacache-coefficients") but is not'
        )
    if data.get("version") != 1:
        raise TeaCacheError(where, f"version must be 1 but is {data.get('version')}")
    _refuse_unknown(data, _FIELDS | {"format", "version", "experts", "provenance"}, where)
    experts = data.get("experts", {})
    for name, entry in experts.items():
        _refuse_unknown(entry, _FIELDS, f'{where}: expert "{name}"')
    return Coefficients(
        _set(data, where),
        {name: _set(entry, f'{where}: expert "{name}"') for name, entry in experts.items()},
        data.get("provenance", {}),
    )


def _refuse_unknown(fields, known, where):
    if unknown := sorted(set(fields) - known):
        raise TeaCacheError(where, f'fields must be known ones but one is "{unknown[0]}"')


def _set(data, where):
    def numbers(name, value):
        good = isinstance(value, list) and all(
            isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)
            for v in value
        )
        if not good:
            raise TeaCacheError(where, f'"{name}" must be a list of finite numbers but is not')
        return tuple(map(float, value))

    coefficients = numbers("coefficients", data.get("coefficients"))
    if not coefficients:
        raise TeaCacheError(where, '"coefficients" must have at least one number but is empty')
    x_range = data.get("x_range")
    if x_range is not None:
        x_range = numbers("x_range", x_range)
        if len(x_range) != 2 or x_range[0] > x_range[1]:
            raise TeaCacheError(where, '"x_range" must be [min, max] but is not')
    threshold = data.get("threshold")
    if threshold is not None and not numbers("threshold", [threshold])[0] > 0:
        raise TeaCacheError(where, f'"threshold" must be positive but is {threshold}')
    return CoefficientSet(coefficients, x_range, threshold)
