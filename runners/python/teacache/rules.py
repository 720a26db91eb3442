"""What an engine does with f(x): the second implementation of calib/rules, call by call.

forced call:  computed, sum to 0 (unless keeps_sum_when_forced)
other calls:  sum += sign(f(x)); sum = min(sum, cap * threshold);
              skip iff sum < threshold, else compute and sum = 0
A threshold of 0 computes everything. tests/python compares the decisions with fit-coeffs'.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from .errors import TeaCacheError


@dataclass(frozen=True)
class EngineRule:
    """As EngineRule in calib/rules/engine_rules.h, whose comments say what the fields mean."""

    name: str
    sign: str = "raw"  # f; "absolute": |f|; "clamp": max(0, f)
    first_computed: int = 1
    last_computed: int = 1
    cap: float = 0
    epsilon_kind: str = "none"  # of the denominator mean|prev|: "add" epsilon, "floor": at least it
    epsilon: float = 0
    branches: str = "separate"  # "cond": all passes as the conditional one decides
    keeps_sum_when_forced: bool = False
    seeds_cache: bool = False
    max_consecutive_skips: int = 0
    guards_range: bool = False

    def always_computes(self, call, calls):
        """(whether the call is forced, whether it is computed whatever the signal)."""
        first = max(1, self.first_computed)
        forced = call < first or call >= calls - self.last_computed
        return forced, forced or self.seeds_cache and call == first

    def relative_change(self, diff_l1, prev_l1, n):
        """x of the sums; NaN where the denominator is 0."""
        if self.epsilon_kind == "none":
            return diff_l1 / prev_l1 if prev_l1 > 0 else math.nan
        mean = prev_l1 / n
        mean = mean + self.epsilon if self.epsilon_kind == "add" else max(mean, self.epsilon)
        return diff_l1 / n / mean


_RULES = {
    rule.name: rule
    for rule in (
        EngineRule("teacache"),
        EngineRule("teacache-ret", first_computed=5, last_computed=0),
        EngineRule("sglang", first_computed=5),
        EngineRule("xdit"),
        EngineRule("comfyui-flux", "absolute", last_computed=0),
        EngineRule("vllm-omni", "absolute", last_computed=0, epsilon_kind="add", epsilon=1e-8),
        EngineRule("tensorrt-llm", "absolute", cap=2, epsilon_kind="add", epsilon=1e-8),
        EngineRule(
            "tensorrt-llm-ret",
            "absolute",
            first_computed=5,
            last_computed=0,
            cap=2,
            epsilon_kind="add",
            epsilon=1e-8,
        ),
        EngineRule("videox-fun", first_computed=5, last_computed=0, branches="cond"),
        EngineRule("wan2gp", "absolute"),
        EngineRule(
            "difflet",
            "absolute",
            first_computed=5,
            last_computed=5,
            epsilon_kind="floor",
            epsilon=1e-8,
        ),
        EngineRule(
            "mlx-teacache",
            "clamp",
            epsilon_kind="floor",
            epsilon=1e-12,
            keeps_sum_when_forced=True,
            seeds_cache=True,
            max_consecutive_skips=8,
            guards_range=True,
        ),
    )
}
# Engines that fit-coeffs replays but whose rule cannot run in a pipeline.
_REFUSED = {"comfyui": "computes both passes if either needs it, so it must know the second first"}


def rules():
    """Names of the engines whose rule is offered."""
    return tuple(_RULES)


def find_rule(name):
    if name in _REFUSED:
        raise TeaCacheError(
            "engine", f'must be one of {", ".join(_RULES)} but is "{name}", which {_REFUSED[name]}'
        )
    if name not in _RULES:
        raise TeaCacheError("engine", f'must be one of {", ".join(_RULES)} but is "{name}"')
    return _RULES[name]


class Decision(NamedTuple):
    compute: bool
    forced: bool
    accumulated: float  # the sum that was compared with the threshold


class SkipRule:
    """The decisions of one run of one pass and expert, in the order of its calls."""

    def __init__(self, rule, coefficients, threshold, x_range=None):
        self.rule, self.threshold = rule, threshold
        self._coefficients, self._range = tuple(coefficients), x_range
        self._sum, self._streak = 0.0, 0

    def decide(self, call, calls, x):
        """`x` of call `call` of `calls`; NaN or None = not measured: computed."""
        forced, always = self.rule.always_computes(call, calls)
        if always:
            if not (forced and self.rule.keeps_sum_when_forced):
                self._sum = 0.0
            self._streak = 0
            return Decision(True, forced, self._sum)
        value, skip = self._contribution(x), False
        if not math.isnan(value) and self.threshold > 0:
            self._sum += value
            if self.rule.cap > 0:
                self._sum = min(self._sum, self.rule.cap * self.threshold)
            skip = self._sum < self.threshold
            if 0 < self.rule.max_consecutive_skips <= self._streak:
                skip = False
        accumulated = self._sum
        if not skip:
            self._sum = 0.0
        self._streak = self._streak + 1 if skip else 0
        return Decision(not skip, False, accumulated)

    def computed(self):
        """A call that was to be skipped is computed after all."""
        self._sum, self._streak = 0.0, 0

    def _contribution(self, x):
        if x is None or not math.isfinite(x):
            return math.nan
        if self.rule.guards_range and self._range and self._range[1] > self._range[0]:
            if x > self._range[1]:
                return math.nan
            x = max(x, self._range[0])
        f = 0.0
        for c in self._coefficients:  # highest power first
            f = f * x + c
        return {"raw": f, "absolute": abs(f), "clamp": max(0.0, f)}[self.rule.sign]
