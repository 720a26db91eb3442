"""Which call of a run a forward is: its number, its pass of guidance, its piece of the video."""

import functools
import types
from contextlib import contextmanager
from typing import NamedTuple

from torch import nn

from .errors import TeaCacheError


class CallId(NamedTuple):
    segment: int  # times that the scheduler's timesteps were set since the run began, less 1
    call: int  # 0-based, of the segment; the passes of guidance share it
    ordinal: int  # of the pass in this call: 0, 1, ...
    name: str | None  # of the pass, as the pipeline's cache_context says

    @property
    def branch(self):
        """What tells the passes of one call apart."""
        return self.name if self.name is not None else self.ordinal


def transformers_of(what):
    """{expert: transformer} of a pipeline, of one module (expert ""), or of such a dictionary."""
    if isinstance(what, nn.Module):
        return {"": what}
    if isinstance(what, dict):
        return dict(what)
    experts = {
        "high": getattr(what, "transformer", None),
        "low": getattr(what, "transformer_2", None),
    }
    experts = {name: m for name, m in experts.items() if m is not None}
    if not experts:
        raise TeaCacheError(
            type(what).__name__,
            "must be a pipeline with a transformer, a module "
            "or {expert: module} but is none of them",
        )
    return experts if len(experts) > 1 else {"": next(iter(experts.values()))}


def _patch(owner, name, make):
    """Replaces a method of a class, keeping its signature, which pipelines look at; returns the
    undoing."""
    original, own = getattr(owner, name), name in owner.__dict__
    setattr(owner, name, functools.wraps(original)(make(original)))
    return lambda: setattr(owner, name, original) if own else delattr(owner, name)


class CallOrder:
    """Numbers the forwards of a run. A call ends where the scheduler steps: equal timesteps do not
    mean one call (Heun and PNDM repeat them). The scheduler's class is patched, not the object,
    since pipelines copy it. Without a scheduler a call ends where a pass comes again or the
    timestep changes, which is read from the device then."""

    def __init__(self, modules, scheduler=None):
        self._modules, self._class = modules, type(scheduler) if scheduler is not None else None
        self._undo = []
        self.scheduler = scheduler  # the one that stepped last
        self._name = None
        self.begin_run()

    def begin_run(self):
        self._segment, self._call, self._seen = 0, -1, []
        self._stepped, self._timestep = True, None

    def attach(self):
        for module in self._modules:
            if hasattr(module, "cache_context"):
                module.cache_context = types.MethodType(self._named(module.cache_context), module)
                self._undo.append(functools.partial(module.__dict__.pop, "cache_context", None))
        if self._class is None:
            return

        def step(original):
            def method(scheduler, *args, **kwargs):
                self._stepped, self.scheduler = True, scheduler
                return original(scheduler, *args, **kwargs)

            return method

        def set_timesteps(original):
            def method(scheduler, *args, **kwargs):
                if self._call >= 0:
                    self._segment, self._call, self._stepped = self._segment + 1, -1, True
                if type(self.scheduler) is type(scheduler):
                    self.scheduler = scheduler
                return original(scheduler, *args, **kwargs)

            return method

        self._undo.append(_patch(self._class, "step", step))
        if hasattr(self._class, "set_timesteps"):
            self._undo.append(_patch(self._class, "set_timesteps", set_timesteps))

    def detach(self):
        while self._undo:
            self._undo.pop()()

    def _named(self, original):
        @contextmanager
        def cache_context(_, name, **kwargs):
            self._name = name
            try:
                with original(name, **kwargs):
                    yield
            finally:
                self._name = None

        return cache_context

    def next(self, timestep):
        """The identity of the forward that begins."""
        name = self._name
        if self._class is not None:
            new = self._stepped
        else:
            again = name is not None and name in self._seen
            new = self._call < 0 or again or bool(self._timestep != timestep)
        if new:
            self._call, self._seen, self._stepped = self._call + 1, [], False
        elif name is not None and name in self._seen:
            raise TeaCacheError(
                self._class.__name__,
                f'must step between two passes "{name}" but did not after call {self._call}',
            )
        self._timestep = timestep
        self._seen.append(name)
        return CallId(self._segment, self._call, len(self._seen) - 1, name)

    @property
    def steps(self):
        """Denoising steps that the scheduler was asked for; None if it does not say."""
        return getattr(self.scheduler, "num_inference_steps", None)

    @property
    def timesteps(self):
        """What the scheduler will step through in this segment."""
        timesteps = getattr(self.scheduler, "timesteps", None)
        if timesteps is None:
            return []
        return timesteps[getattr(self.scheduler, "begin_index", None) or 0 :].tolist()
