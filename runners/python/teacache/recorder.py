"""Records calibration traces of any diffusion transformer, in the pipeline that runs it."""

import itertools
import os
import time
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.distributed as dist

from . import trace
from .calls import CallId, CallOrder, transformers_of
from .errors import TeaCacheError
from .tap import Tap, local_part, tensors_of, timestep_of
from .version import __version__

# Values summed at once: bounds the temporaries, and fits a CPU's cache.
_CHUNK = {"cpu": 1 << 18}
_CHUNK_DEVICE = 1 << 24


def l1_sums(a, b):
    """[2] float64 on the tensors' device: sum|a - b| and sum|b|. Differences in float32, sums in
    double, without waiting for the device."""
    a, b = a.reshape(-1), b.reshape(-1)
    wide = torch.float32 if a.device.type == "mps" else torch.float64  # MPS has no double
    chunk = _CHUNK.get(a.device.type, _CHUNK_DEVICE)
    sums = torch.zeros(2, dtype=wide, device=a.device)
    for i in range(0, a.numel(), chunk):
        x, y = a[i : i + chunk].float(), b[i : i + chunk].float()
        sums[0] += (x - y).abs_().sum(dtype=wide)
        sums[1] += y.abs().sum(dtype=wide)
    return sums


class _Clock:
    """Marks in time: events of a GPU, which cost no waiting, else the processor's clock."""

    def __init__(self, device):
        self._cuda = device.type == "cuda"

    def mark(self):
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def ms(self, begin, end):
        return begin.elapsed_time(end) if self._cuda else (end - begin) * 1e3


class _Call(NamedTuple):
    """A forward of the run that is recorded."""

    identity: CallId
    expert: str
    timestep: Any
    sums: dict  # {tensor: [change against 1, 2, ... calls before]}; see _part_sums, _fetch
    times: dict
    split: bool  # into halves of guidance
    parts: int  # halves x samples


class _RecordingTap(Tap):
    """Keeps copies of a forward's tensors, since models may overwrite them, and hands them on."""

    def __init__(self, recorder, expert, module):
        super().__init__(module, recorder.taps, recorder.blocks, "first" in recorder.measure)
        self.recorder, self.expert = recorder, expert

    def at_start(self, args, kwargs):
        device = next(
            (t.device for t in tensors_of([*args, *kwargs.values()])), torch.device("cpu")
        )
        self.timestep, self.clock = timestep_of(self.module, args, kwargs), _Clock(device)
        self.tensors = {}
        self.marks = [self.clock.mark()]

    def at_blocks(self, h0):
        self.marks.append(self.clock.mark())
        self.h0 = h0.detach().clone()

    def at_modulated(self, tap, modulated):
        self.tensors[tap] = modulated.detach().clone()

    def at_first(self, h):
        self.tensors["first"] = h.detach().to(self.h0.dtype) - local_part(self.h0, h)[0]

    def at_head(self, h1):
        self.marks.append(self.clock.mark())
        h0, self.shards = local_part(self.h0, h1)
        h1 = h1.detach().to(h0.dtype)
        self.tensors["res"] = h1 - h0
        if "out" in self.recorder.measure:
            self.tensors["out"] = h1.clone()
        self.h0 = None
        self.marks.append(self.clock.mark())

    def at_end(self, output):
        self.marks.append(self.clock.mark())
        begin, blocks, end_blocks, head, end = self.marks
        times = {
            "ms_embed": (begin, blocks),
            "ms_blocks": (blocks, end_blocks),
            "ms_head": (head, end),
        }
        self.recorder._on_call(self, self.tensors, self.shards, times)
        self.tensors = None


class TraceRecorder:
    """with TraceRecorder(pipe, "trace.jsonl") as recorder:
        for prompt in prompts:
            with recorder.run(prompt, seed=0):
                pipe(prompt, generator=torch.Generator().manual_seed(0))

    what      a pipeline (its transformers and scheduler are found), one module, or
              {"high": module, "low": module}
    out       the file, or one per tap: {"input": "trace.jsonl", "time": "time.jsonl"}
    tap       what counts as modulated input: "input", "time", or a module whose output it is
    blocks    names of the lists of main blocks, where they are not found
    scheduler of bare modules; without one a step is seen by its timestep
    measure   of "res", "out", "first" (the first block's residual): what is kept of the last call
              costs memory, one tensor of the hidden states' size each and per branch
    lookback  also compares the residual with up to so many calls before
    split_guidance  writes the halves of a guidance batch as branches of their own, named in order
    branches  names of passes that the pipeline does not name, in order
    model, steps, and fields of the header (guidance, width, height, frames, task, revision, ...)

    Values of an uncached run are not changed. On the device: the sums of a call are two passes
    over each tensor kept, without waiting for the device; they are fetched when a run ends.
    """

    def __init__(
        self,
        what,
        out,
        *,
        tap="input",
        model=None,
        steps=None,
        blocks=None,
        scheduler=None,
        measure=("res", "out"),
        lookback=1,
        split_guidance=False,
        halves=("uncond", "cond"),
        branches=("cond", "uncond"),
        **description,
    ):
        unknown = sorted(set(description) - set(trace.DESCRIPTION))
        if unknown:
            raise TeaCacheError(
                "TraceRecorder", f'arguments must be known ones but "{unknown[0]}" is not'
            )
        self._out = dict(out) if isinstance(out, dict) else {tap: out}
        self.taps, self.blocks, self.measure = tuple(self._out), blocks, tuple(measure)
        self._steps, self._lookback = steps, lookback
        self._split, self._halves, self._branches = split_guidance, halves, branches
        modules = transformers_of(what)
        scheduler = scheduler if scheduler is not None else getattr(what, "scheduler", None)
        self._order = CallOrder(modules.values(), scheduler)
        self._taps = [_RecordingTap(self, expert, m) for expert, m in modules.items()]
        self._header = {
            "format": "teacache-trace",
            "version": trace.VERSION,
            "model": model or model_name(what),
            "scheduler": type(scheduler).__name__ if scheduler is not None else "",
            "dtype": dtype_name(next(iter(modules.values()))),
            "tool_version": __version__,
            **model_revision(what),
            **description,
        }
        self._calls = None  # of every run
        self._files, self._run, self._shards = {}, None, 1

    def __enter__(self):
        self._order.attach()
        for tap in self._taps:
            tap.attach()
        return self

    def __exit__(self, *_):
        for tap in self._taps:
            tap.detach()
        self._order.detach()

    def has(self, prompt, seed=0):
        """Whether the files have this run already."""
        return all((prompt, seed) in self._file(tap).runs for tap in self.taps)

    @contextmanager
    def run(self, prompt, seed=0):
        """One run of the pipeline. Lists of prompts or seeds: a batch, a sample each."""
        if self._run is not None:
            raise TeaCacheError("TraceRecorder", "runs must follow each other but are nested")
        samples = max(len(v) if isinstance(v, (list, tuple)) else 1 for v in (prompt, seed))
        spread = [
            list(v) if isinstance(v, (list, tuple)) else [v] * samples for v in (prompt, seed)
        ]
        if any(len(v) != samples for v in spread):
            raise TeaCacheError(
                "TraceRecorder",
                f"prompts and seeds of a batch must be as many but "
                f"are {len(spread[0])} and {len(spread[1])}",
            )
        self._run, self._made, self._state = list(zip(*spread)), [], {}
        self._order.begin_run()
        try:
            yield self
            self._finish()
        finally:
            self._run, self._made, self._state = None, [], {}

    def _on_call(self, tap, tensors, shards, times):
        if self._run is None:
            raise TeaCacheError(
                "TraceRecorder",
                "calls must be inside `with recorder.run(prompt, seed):` but one is not",
            )
        self._shards = max(self._shards, shards)
        identity = self._order.next(tap.timestep)
        split = self._split and identity.name in (None, "cond_uncond")
        parts = len(self._run) * (len(self._halves) if split else 1)
        key, place = (tap.expert, identity.branch), (identity.segment, identity.call)
        last, kept = self._state.get(key, (None, {}))
        follows = last == (identity.segment, identity.call - 1)
        sums, now = {}, {}
        for name, tensor in tensors.items():
            depth = self._lookback if name == "res" else 1
            before = kept[name] if follows else ()
            sums[name] = [
                _part_sums(tensor, old, parts) if old.shape == tensor.shape else None
                for old in before
            ]
            now[name] = [tensor, *before][: max(1, depth)]
        self._state[key] = (place, now)
        timed = {name: (tap.clock, *marks) for name, marks in times.items()}
        self._made.append(_Call(identity, tap.expert, tap.timestep, sums, timed, split, parts))

    def _finish(self):
        made = self._made
        if not made:
            raise TeaCacheError(
                "TraceRecorder",
                "a run must call the transformer but did not (or "
                "it was compiled after the recorder began)",
            )
        passes = max(call.identity.ordinal for call in made) + 1
        last = {call.identity.segment: call.identity.call for call in made}
        calls = max(last.values()) + 1
        if calls == 1 and passes > 3:
            raise TeaCacheError(
                "TraceRecorder",
                "the pipeline must step its scheduler between "
                f"calls but did not in {passes} calls: give it, scheduler=...",
            )
        self._calls = self._calls or calls
        if other := {n + 1 for n in last.values()} - {self._calls}:
            raise TeaCacheError(
                "TraceRecorder",
                "every run, and every piece of a video, must have "
                f"{self._calls} calls as the first one but one has {min(other)}",
            )
        steps = self._steps or self._order.steps or calls
        _fetch(made)
        names = {call.identity.name for call in made}
        for tap in self.taps:
            header = self._header | {"steps": steps, "calls": calls, "modulated": tap}
            if self._shards > 1:
                header |= {"shard": dist.get_rank() % self._shards, "shards": self._shards}
            self._file(tap).append(
                header,
                [
                    self._row(call, part, tap, self._branch(call, passes, names), steps)
                    for call in made
                    for part in range(call.parts)
                ],
            )

    def _row(self, call, part, tap, branch, steps):
        identity, sample = call.identity, part % len(self._run)
        prompt, seed = self._run[sample]
        row = {
            "prompt": prompt,
            "seed": seed,
            "branch": self._halves[part // len(self._run)] if call.split else branch,
            "call": identity.call,
            "step": min(identity.call * steps // self._calls, steps - 1),
            "timestep": float(call.timestep or 0),
        }
        optional = {"expert": call.expert, "segment": identity.segment, "sample": sample}
        row |= {name: value for name, value in optional.items() if value}
        for field, name in {"mod": tap, "res": "res", "out": "out", "first": "first"}.items():
            changes = [c and c[part] for c in call.sums.get(name, ())]
            if changes and changes[0]:
                row[field] = changes[0]
            if field == "res" and len(changes) > 1:
                row["lookback"] = changes[1:]
        return row | {
            name: round(clock.ms(begin, end), 4) for name, (clock, begin, end) in call.times.items()
        }

    def _branch(self, call, passes, names):
        """A pass goes under the name that the pipeline gives it; one that is alone is "batched"."""
        identity = call.identity
        if identity.name == "cond_uncond" or passes == 1 and names <= {None, "cond"}:
            return "batched"
        if identity.name is not None:
            return identity.name
        known = identity.ordinal < len(self._branches)
        return self._branches[identity.ordinal] if known else f"pass{identity.ordinal}"

    def _file(self, tap):
        """Ranks of a sequence-parallel run write a file each."""
        path = os.fspath(self._out[tap])
        if self._shards > 1:
            path = f"{path}.{dist.get_rank() % self._shards}"
        if path not in self._files:
            self._files[path] = trace.TraceFile(path)
        return self._files[path]


def _part_sums(tensor, old, parts):
    """[parts, 2] sums of the equal parts of a batch, and the number of values of each."""
    if tensor.shape[0] % parts:
        raise TeaCacheError(
            "TraceRecorder",
            f"a batch of {parts} samples and halves must divide the "
            f"tensors' first size but it is {tensor.shape[0]}",
        )
    pairs = zip(tensor.chunk(parts), old.chunk(parts))
    return torch.stack([l1_sums(a, b) for a, b in pairs]), tensor.numel() // parts


def _fetch(made):
    """Turns the sums of all calls of a run into fields of rows, by one transfer per device."""
    pending = {}
    for call in made:
        for changes in call.sums.values():
            for place, change in enumerate(changes):
                if change is not None:
                    pending.setdefault(change[0].device, []).append((changes, place, change))
    for device, items in pending.items():
        if device.type == "cuda":
            torch.cuda.synchronize(device)  # the events' times are known then, too
        values = iter(torch.cat([sums for _, _, (sums, _) in items]).tolist())
        for changes, place, (sums, n) in items:
            changes[place] = [
                {"diff_l1": diff, "prev_l1": prev, "n": n}
                for diff, prev in itertools.islice(values, len(sums))
            ]


def model_name(what):
    name = getattr(getattr(what, "config", None), "_name_or_path", None) or getattr(
        what, "name_or_path", None
    )
    return os.path.basename(os.path.normpath(name)) if name else type(what).__name__


def model_revision(what):
    """{"revision": the commit} of a model that was loaded from a hub's cache, whose folders are
    .../snapshots/COMMIT; {} where it is not known."""
    config = getattr(what, "config", None)
    path = getattr(config, "_name_or_path", None) or getattr(what, "name_or_path", None) or ""
    parts = os.path.normpath(path).split(os.sep)
    place = parts.index("snapshots") + 1 if "snapshots" in parts else len(parts)
    return {"revision": parts[place]} if place < len(parts) else {}


def dtype_name(module):
    """Of most of the weights: some layers are kept in float32."""
    sizes = {}
    for p in module.parameters():
        sizes[p.dtype] = sizes.get(p.dtype, 0) + p.numel()
    return str(max(sizes, key=sizes.get)).removeprefix("torch.") if sizes else ""
