"""TeaCache in the pipeline where a model runs: calls of its blocks are skipped, their residual of
the last computed call is added instead."""

import functools
import json
import math
import os
import warnings
from typing import NamedTuple

import torch

from . import trace
from .calls import CallOrder, transformers_of
from .coefficients import read_coefficients
from .errors import TeaCacheError
from .recorder import dtype_name, l1_sums, model_name
from .rules import Decision, SkipRule, find_rule
from .tap import Tap, tensors_of, timestep_of
from .version import __version__


class LoggedCall(NamedTuple):
    """What was decided about one forward."""

    run: int  # 0-based; a run begins where the scheduler's timesteps are set
    call: int
    branch: str
    expert: str
    timestep: object
    x: float | None  # relative change of the modulated input; None at a first call
    sums: tuple | None  # (diff_l1, prev_l1, n) behind x
    decision: Decision
    residual: tuple | None = None  # ([diff_l1, prev_l1] on the device, n) against the last call's


class _Skip(Exception):
    """Leaves the first block, once the modulated input is known."""


class _State:
    """Of one run, expert and pass."""

    def __init__(self, rule, run):
        self.run, self.rule = run, rule
        self.modulated = self.residual = self.unchanged = None


class _CachingTap(Tap):
    """Decides where the modulated input shows itself. When a call is skipped, the first block is
    left there and the others are not entered: they give back what they are given, as the code
    between them needs tensors of the right shape, and the head gets h0 + residual."""

    def __init__(self, owner, expert, module):
        super().__init__(module, (owner.tap,), owner.blocks)
        if getattr(module, "_parallel_config", None) is not None:
            raise TeaCacheError(
                type(module).__name__,
                "must run on one device but has context parallelism: record it, but apply an "
                "engine's TeaCache",
            )
        self.owner, self.expert = owner, expert
        self._inner, self._like, self._original = False, {}, []

    def at_cut(self):
        source = self.cut.modulated if self.owner.tap == "input" else self._taps[self.owner.tap]
        self._inner = any(m is source for m in self.cut.first.modules())
        for block in self.cut.blocks:
            self._original.append((block, block.__dict__.get("forward")))
            block.forward = self._wrapped(block)

    def detach(self):
        for block, forward in self._original:
            if forward is None:
                del block.forward
            else:
                block.forward = forward
        self._original = []
        super().detach()

    def at_start(self, args, kwargs):
        self.timestep = timestep_of(self.module, args, kwargs)
        self.state, self.identity, self.calls = self.owner._begin(self, self.timestep)
        self.modulated, self.skips = None, False

    def at_modulated(self, tap, modulated):
        self.modulated = modulated
        if self._inner:
            self._decide()
            if self.skips:
                raise _Skip

    def at_blocks(self, h0):
        self.h0 = h0.detach().clone()
        if self._inner:
            return
        if self.modulated is None:
            raise TeaCacheError(
                type(self.module).__name__,
                f'the tap "{self.owner.tap}" must show itself before the blocks but does not',
            )
        self._decide()

    def at_head(self, h1):
        state, change = self.state, None
        if self.skips:
            change = state.unchanged
        else:
            before, state.residual = state.residual, h1.detach().to(self.h0.dtype) - self.h0
            state.unchanged = l1_sums(state.residual, state.residual)
            if before is not None and before.shape == self.h0.shape:
                change = l1_sums(state.residual, before)
        if change is not None:
            self.entry = self.entry._replace(residual=(change, state.residual.numel()))
        return (self.h0 + state.residual).to(h1.dtype) if self.skips else None

    def at_end(self, output):
        self.h0 = self.modulated = None
        self.owner.log.append(self.entry)
        outputs = list(output.values()) if isinstance(output, dict) else output
        if isinstance(outputs, (list, tuple)) and len(tensors_of(outputs[1:])) > 0:
            raise TeaCacheError(
                type(self.module).__name__,
                "must have one output but has several (audio?), of which the blocks' residual is "
                "not kept: record it, but apply an engine's TeaCache",
            )

    def _decide(self):
        state, now = self.state, self.modulated.detach()
        before, change = state.modulated, None
        state.modulated = now.clone()
        if before is not None and before.shape == now.shape:
            change = (*l1_sums(now, before).tolist(), now.numel())
        fits = state.residual is not None and state.residual.shape == self.h0.shape
        self.entry = self.owner._decide(self, change, fits)
        self.skips = not self.entry.decision.compute

    def _wrapped(self, block):
        original = block.forward

        @functools.wraps(original)
        def forward(*args, **kwargs):
            given = tensors_of([*args, *kwargs.values()])
            if not self.skips:
                try:
                    out = original(*args, **kwargs)
                except _Skip:
                    pass
                else:
                    self._like[block] = _like(out, given)
                    return out
            return _given_back(self._like[block], given)

        return forward


def _like(output, given):
    """A block's output, with (place of an argument of that shape, shape, dtype) for tensors."""
    if torch.is_tensor(output):
        place = next(
            (i for i, t in enumerate(given) if t.shape == output.shape and t.dtype == output.dtype),
            None,
        )
        return place, output.shape, output.dtype, output.device
    if isinstance(output, list | tuple):
        return [type(output)] + [_like(o, given) for o in output]
    return None


def _given_back(like, given):
    if like is None:
        return None
    if isinstance(like, list):
        return like[0](_given_back(item, given) for item in like[1:])
    place, shape, dtype, device = like
    if place is not None and place < len(given) and given[place].shape == shape:
        return given[place]
    return torch.zeros(shape, dtype=dtype, device=device)


class AppliedTeaCache:
    """What apply_teacache returns: `log` holds a LoggedCall per forward; `remove()` or the end of
    `with` takes the hooks away."""

    def __init__(
        self,
        what,
        coefficients,
        *,
        threshold=None,
        engine="teacache",
        tap=None,
        blocks=None,
        scheduler=None,
        calls=None,
        branches=("cond", "uncond"),
    ):
        self.rule = find_rule(engine)
        self._coefficients = read_coefficients(coefficients)
        self._threshold = self._checked_threshold(threshold)
        self.tap, self.blocks = self._checked_tap(tap, os.fspath(coefficients)), blocks
        self._what, self._modules = what, transformers_of(what)
        self._scheduler = scheduler if scheduler is not None else getattr(what, "scheduler", None)
        self._fixed_calls, self._branches = calls, branches
        if calls is None and self._scheduler is None:
            raise TeaCacheError(
                "apply_teacache",
                "the calls of a run must be known (scheduler=... or calls=...) but are not",
            )
        for expert in self._modules:
            self._coefficients.of(expert)
        self._order = CallOrder(self._modules.values(), self._scheduler)
        self._taps = [_CachingTap(self, expert, m) for expert, m in self._modules.items()]
        self.log, self._states, self._run, self._first_calls = [], {}, -1, {}
        self._order.attach()
        for one in self._taps:
            one.attach()

    def remove(self):
        for one in self._taps:
            one.detach()
        self._order.detach()
        self._states = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()

    def reset(self):
        """The next call begins a run. A scheduler's set_timesteps does so by itself."""
        self._order.begin_run()

    def schedules(self):
        """{(run, expert, branch): "CCSC..."}: computed and skipped calls."""
        schedules = {}
        for entry in self.log:
            key = (entry.run, entry.expert, entry.branch)
            letter = "C" if entry.decision.compute else "S"
            schedules[key] = schedules.get(key, "") + letter
        return schedules

    def write_log(self, path):
        """The log as a trace for replay by fit-coeffs, not for a fit: it has the residuals of
        computed calls only, against what the call before used. With the decision and the
        accumulated f(x) of each call; the prompt of a run is its number."""
        calls = max((entry.call for entry in self.log), default=-1) + 1
        header = {
            "format": "teacache-trace",
            "version": trace.VERSION,
            "model": model_name(self._what),
            "steps": calls,
            "calls": calls,
            "modulated": self.tap,
            "dtype": dtype_name(next(iter(self._modules.values()))),
            "tool_version": __version__,
        }
        rows = []
        for entry in self.log:
            row = {
                "prompt": f"run {entry.run}",
                "seed": 0,
                "branch": entry.branch,
                "call": entry.call,
                "step": entry.call,
                "timestep": float(entry.timestep or 0),
            }
            if entry.expert:
                row["expert"] = entry.expert
            if entry.sums is not None:
                row["mod"] = dict(zip(("diff_l1", "prev_l1", "n"), entry.sums, strict=True))
            if entry.residual is not None and entry.decision.compute:
                (diff, prev), n = entry.residual[0].tolist(), entry.residual[1]
                row["res"] = {"diff_l1": diff, "prev_l1": prev, "n": n}
            row["decision"] = "C" if entry.decision.compute else "S"
            row["accumulated"] = entry.decision.accumulated
            rows.append(row)
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in [header, *rows])

    def _checked_threshold(self, threshold):
        if threshold is None:
            return None
        if not (math.isfinite(threshold) and threshold >= 0):
            raise TeaCacheError("threshold", f"must be a finite number >= 0 but is {threshold}")
        return threshold

    def _checked_tap(self, tap, path):
        """Coefficients fitted on one signal mean nothing for another."""
        fitted = self._coefficients.provenance.get("modulated", "")
        if not fitted and tap is None:
            raise TeaCacheError(
                path,
                'the signal must be known but "provenance" has no "modulated": '
                'give tap="input", tap="time" or a module\'s name',
            )
        if fitted and tap is not None and tap != fitted:
            raise TeaCacheError(
                path, f'coefficients must be of the signal "{tap}" but were fitted on "{fitted}"'
            )
        return tap or fitted

    def _begin(self, tap, timestep):
        """(state, identity, (call, calls) of the expert) of the forward that begins."""
        identity = self._order.next(timestep)
        if identity.call == 0 and identity.ordinal == 0:
            self._begin_run()
        first = self._first_calls.setdefault(tap.expert, identity.call)
        key = (tap.expert, identity.branch)
        if key not in self._states:
            chosen = self._coefficients.of(tap.expert)
            threshold = self._threshold if self._threshold is not None else chosen.threshold
            if threshold is None:
                raise TeaCacheError("threshold", "must be given, since the coefficients have none")
            rule = SkipRule(self.rule, chosen.coefficients, threshold, chosen.x_range)
            self._states[key] = _State(rule, self._run)
        return (
            self._states[key],
            identity,
            (identity.call - first, self._calls_of(tap.expert, first)),
        )

    def _calls_of(self, expert, first):
        """Calls of this expert in this run: each has a first and a last one of its own."""
        if self._fixed_calls is not None:
            calls = self._fixed_calls
            return calls[expert] if isinstance(calls, dict) else calls - first
        ratio = getattr(getattr(self._what, "config", None), "boundary_ratio", None)
        if expert == "high" and ratio is not None:
            boundary = ratio * self._order.scheduler.config.num_train_timesteps
            return sum(t >= boundary for t in self._timesteps) - first
        if expert and ratio is None:
            raise TeaCacheError(
                "apply_teacache",
                "the calls of each expert must be known but the "
                "pipeline has no boundary_ratio: give calls={expert: number}",
            )
        return len(self._timesteps) - first

    def _begin_run(self):
        self._run, self._states, self._first_calls = self._run + 1, {}, {}
        self._timesteps = self._order.timesteps
        fitted, calls = self._coefficients.provenance.get("calls"), len(self._timesteps)
        if self._run == 0 and fitted and calls and fitted != calls:
            warnings.warn(
                f"coefficients were fitted on runs of {fitted} calls but this one has {calls}",
                stacklevel=2,
            )

    def _decide(self, tap, sums, fits):
        state, identity = tap.state, tap.identity
        x = self.rule.relative_change(*sums) if sums is not None else None
        decision = state.rule.decide(*tap.calls, x)
        if self.rule.branches == "cond" and identity.ordinal > 0:
            decision = self._cond_decision(identity)
        if not decision.compute and not fits:
            state.rule.computed()
            decision = decision._replace(compute=True)
        return LoggedCall(
            self._run,
            identity.call,
            self._branch(identity),
            tap.expert,
            tap.timestep,
            x,
            sums,
            decision,
        )

    def _cond_decision(self, identity):
        here = [e for e in self.log[-8:] if (e.run, e.call) == (self._run, identity.call)]
        for entry in here:
            if entry.branch == "cond":
                return entry.decision
        raise TeaCacheError(
            "apply_teacache",
            f'with engine "{self.rule.name}" the pass "cond" must '
            f'come first but "{here[0].branch}" does',
        )

    def _branch(self, identity):
        if identity.name is not None:
            return "batched" if identity.name == "cond_uncond" else identity.name
        known = identity.ordinal < len(self._branches)
        return self._branches[identity.ordinal] if known else f"pass{identity.ordinal}"


def apply_teacache(what, coefficients, **options):
    """apply_teacache(pipe, "coeffs.json", threshold=0.2, engine="teacache") until remove(), or

    with apply_teacache(pipe, "coeffs.json", threshold=0.2) as applied:
        pipe(prompt)
        print(applied.schedules())

    what       a pipeline, one transformer, or {"high": module, "low": module}
    threshold  of the accumulated f(x); left out: the file's
    engine     whose rule decides (rules.rules() lists them)
    tap        "input", "time" or a module's name, where the file does not say what was tapped
    blocks     names of the lists of main blocks, where they are not found
    scheduler  of bare modules; or calls=..., the calls of a run (or of each expert)

    State is kept per run, expert and pass of guidance, and starts again where the scheduler's
    timesteps are set. A call that is decided waits for the device once, for x.
    """
    return AppliedTeaCache(what, coefficients, **options)
