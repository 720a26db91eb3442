"""Where a diffusion transformer shows what TeaCache looks at, found without knowing its class.

    embed    ...                                  -> h0, the hidden states
    blocks   first block: norm, modulation        -> the modulated input -> attention ...
             ...                                  -> h1
    head     the first module after the last block, ...

`locate` watches one forward and returns the modules at which these tensors pass. `Tap` then hooks
exactly those modules; its subclasses see the tensors, and may replace them.
"""

import inspect
import re
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import nn

from .errors import TeaCacheError

# Lists beside the main blocks: text refiners, control branches, embedders.
_NOT_MAIN = re.compile(
    r"refiner|context_|control|vace|connector|embed|audio_blocks|norm|caption|token", re.I
)
_ATTENTION = re.compile(r"attn|attention", re.I)
# The argument of a block or an attention module that holds the hidden states.
_STREAM_NAMES = ("hidden_states", "x", "img", "video")
_TIME_NAMES = ("timestep", "timesteps", "t")
_CACHE_HOOK = re.compile(r"cache|fbc_|pyramid_attention|taylorseer|layer_skip")

# Modules whose output is the time embedding that published coefficients look at.
TIME_EMBEDDINGS = {
    "CogVideoXTransformer3DModel": "time_embedding",
    "ConsisIDTransformer3DModel": "time_embedding",
    "SkyReelsV2Transformer3DModel": "condition_embedder.time_embedder",
    "WanTransformer3DModel": "condition_embedder.time_embedder",
    "WanVACETransformer3DModel": "condition_embedder.time_embedder",
}


class Cut(NamedTuple):
    """The modules of one transformer at which its tensors pass."""

    lists: tuple  # names of the lists of main blocks
    blocks: tuple  # all main blocks
    first: nn.Module  # its input is h0
    modulated: nn.Module | None  # attention (else linear) module; its input is the modulated input
    second: nn.Module | None  # its input is the first block's output; None: one of first's outputs
    first_slot: int | None
    last: nn.Module
    after: nn.Module | None  # its input is h1; None: one of last's outputs
    last_slot: int | None


def block_lists(module):
    """Names of the lists of main blocks: direct children whose items own an attention module."""

    def has_attention(block):
        return any(
            _ATTENTION.search(type(m).__name__) or _ATTENTION.search(name)
            for name, m in block.named_modules()
            if name
        )

    return tuple(
        name
        for name, child in module.named_children()
        if isinstance(child, nn.ModuleList)
        and len(child)
        and not _NOT_MAIN.search(name)
        and (has_attention(child[0]) or "block" in name)
    )


def check_usable(module):
    """Refuses modules whose hooks are not called or do not see every block."""
    where = type(module).__name__
    if hasattr(module, "_orig_mod") or any(
        getattr(m, "_compiled_call_impl", None) is not None for m in module.modules()
    ):
        raise TeaCacheError(
            where,
            "must not be compiled (hooks would see nothing) but is: call "
            "torch.compile afterwards, or not at all",
        )
    if getattr(module, "is_cache_enabled", False):
        raise TeaCacheError(
            where,
            "must have no cache enabled (blocks would be skipped) but has: "
            "call disable_cache() first",
        )
    for name, m in module.named_modules():
        registry = getattr(m, "_diffusers_hook", None)
        for hook in registry.hooks if registry is not None else ():
            if _CACHE_HOOK.search(hook):
                raise TeaCacheError(
                    where,
                    f'must have no cache enabled (blocks would be skipped) but "{name}" '
                    f'has the hook "{hook}"',
                )
    if getattr(module, "_teacache", None) is not None:
        raise TeaCacheError(where, "must not be recorded or cached by this package already but is")


def tensors_of(value):
    """All tensors of nested tuples and lists, in order."""
    if torch.is_tensor(value):
        return [value]
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in tensors_of(v)]
    return []


def replaced(value, old, new):
    """`value` with the tensor `old` replaced in nested tuples, lists and dicts."""
    if value is old:
        return new
    if isinstance(value, dict):
        return {k: replaced(v, old, new) for k, v in value.items()}
    if type(value) in (tuple, list):
        return type(value)(replaced(v, old, new) for v in value)
    return value


def named_arguments(module, args, kwargs):
    try:
        signature = inspect.signature(type(module).forward)
        return dict(signature.bind_partial(module, *args, **kwargs).arguments)
    except TypeError:
        return {**{str(i): a for i, a in enumerate(args)}, **kwargs}


def stream_of(module, args, kwargs):
    """The hidden states among the arguments: by name, else the first tensor of floats."""
    named = named_arguments(module, args, kwargs)
    for name in _STREAM_NAMES:
        if torch.is_tensor(named.get(name)):
            return named[name]
    return next(
        (t for t in [*args, *kwargs.values()] if torch.is_tensor(t) and t.is_floating_point()), None
    )


def timestep_of(module, args, kwargs):
    """The largest timestep of the batch, as a tensor on its device or a number."""
    named = named_arguments(module, args, kwargs)
    t = next((named[name] for name in _TIME_NAMES if name in named), None)
    return t.detach().reshape(-1).max() if torch.is_tensor(t) else t


def local_part(h0, inner):
    """(part, parts) of `h0` that this process works on, by a tensor from inside the blocks.
    Sequence parallelism splits h0 in the first block, so the hooks see the whole of it there, and
    a part inside."""
    if not (dist.is_available() and dist.is_initialized()) or h0.ndim != inner.ndim:
        return h0, 1
    split = [d for d in range(h0.ndim) if h0.shape[d] != inner.shape[d]]
    if len(split) != 1 or h0.shape[split[0]] % inner.shape[split[0]]:
        return h0, 1
    parts = h0.shape[split[0]] // inner.shape[split[0]]
    return h0.chunk(parts, split[0])[dist.get_rank() % parts], parts


def _slot(output, shape):
    """Which of a block's output tensors has this shape; None unless it is one alone."""
    slots = [i for i, t in enumerate(tensors_of(output)) if t.shape == shape]
    return slots[0] if len(slots) == 1 else None


class _Watch:
    """What one forward shows: hooks on everything that may matter."""

    def __init__(self, module, names):
        self.first = self.modulated = self.linear = self.second = self.last = self.after = None
        self.h0 = self.modulated_part = self.out = self.first_out = self.second_in = None
        self.after_in = None
        self.handles = []
        lists = [module.get_submodule(name) for name in names]
        for block in (b for blocks in lists for b in blocks):
            self._pre(block, self._block_in)
            self.handles.append(block.register_forward_hook(self._block_out))
        for blocks in lists:
            for name, m in blocks[0].named_modules():
                last_name = name.rsplit(".", 1)[-1]
                if (
                    name
                    and _ATTENTION.search(f"{type(m).__name__}.{last_name}")
                    and not isinstance(m, nn.ModuleList)
                    and any(True for _ in m.children())
                ):
                    self._pre(m, self._attention_in)
                elif isinstance(m, nn.Linear):
                    self._pre(m, self._linear_in)
        for name, child in module.named_children():
            if name not in names:
                inner = isinstance(child, (nn.ModuleList, nn.ModuleDict))
                for m in child.children() if inner else [child]:
                    self._pre(m, self._child_in)

    def _pre(self, module, hook):
        self.handles.append(module.register_forward_pre_hook(hook, with_kwargs=True))

    def _block_in(self, block, args, kwargs):
        if self.first is None:
            self.first, self.h0 = block, stream_of(block, args, kwargs)
        elif self.second is None and block is not self.first:
            self.second, self.second_in = block, stream_of(block, args, kwargs)

    def _block_out(self, block, args, output):
        if block is self.first:
            self.first_out = output
        self.last, self.out, self.after = block, output, None

    def _attention_in(self, module, args, kwargs):
        if self.first is not None and self.modulated is None and self.last is None:
            self.modulated, self.modulated_part = module, stream_of(module, args, kwargs)

    def _linear_in(self, module, args, kwargs):
        if (
            self.linear is None
            and self.h0 is not None
            and args
            and args[0] is not self.h0
            and args[0].shape == self.h0.shape
        ):
            self.linear = module

    def _child_in(self, module, args, kwargs):
        if self.last is not None and self.after is None:
            self.after = module
            self.after_in = next(iter(tensors_of([*args, *kwargs.values()])), None)


@torch.no_grad()
def locate(module, args, kwargs, lists=None):
    """The cut of `module`, by one forward with these arguments."""
    where = type(module).__name__
    names = tuple(lists or block_lists(module))
    if not names:
        children = [name for name, _ in module.named_children()]
        raise TeaCacheError(
            where, f"must have a list of blocks but has only {children}: name it, blocks=[...]"
        )
    watch = _Watch(module, names)
    try:
        module(*args, **kwargs)
    finally:
        for handle in watch.handles:
            handle.remove()
    if watch.h0 is None or watch.last is None:
        raise TeaCacheError(where, f"must run its blocks {list(names)} but hooks saw none of them")
    part = watch.modulated_part
    shape = local_part(watch.h0, part)[0].shape if part is not None else watch.h0.shape
    has_second = watch.second_in is not None and watch.second_in.shape == shape
    has_after = (
        watch.after is not None and watch.after_in is not None and watch.after_in.shape == shape
    )
    cut = Cut(
        lists=names,
        blocks=tuple(b for name in names for b in module.get_submodule(name)),
        first=watch.first,
        modulated=watch.modulated if watch.modulated is not None else watch.linear,
        second=watch.second if has_second else None,
        first_slot=_slot(watch.first_out, shape),
        last=watch.last,
        after=watch.after if has_after else None,
        last_slot=_slot(watch.out, shape),
    )
    if cut.after is None and cut.last_slot is None:
        shapes = [tuple(t.shape) for t in tensors_of(watch.out)]
        raise TeaCacheError(
            where,
            f"the last block must give one tensor of its input's shape "
            f"{tuple(shape)} but gives {shapes}",
        )
    return cut


class Tap:
    """Hooks on one transformer. Subclasses override the `at_...` methods, which are called in this
    order in every forward; what at_blocks, at_modulated, at_first and at_head return replaces the
    tensor, unless it is None. The first forward runs twice: once to locate the cut.

    `taps`: what counts as modulated input: "input" (of the first block's attention), "time" (the
    time embedding) or the name of a module, whose output is taken.
    """

    def __init__(self, module, taps=("input",), blocks=None, first_block=False):
        check_usable(module)
        self.module, self.cut = module, None
        self._lists, self._first_block = blocks, first_block
        self._taps = {tap: self._module_of(tap) for tap in taps}
        self._handles, self._locating, self._seen = [], False, set()

    def attach(self):
        self.module._teacache = self
        self._handles = [
            self.module.register_forward_pre_hook(self._start, with_kwargs=True),
            self.module.register_forward_hook(self._end),
        ]

    def detach(self):
        for handle in self._handles:
            handle.remove()
        self.module.__dict__.pop("_teacache", None)
        self._handles, self.cut = [], None

    def locate(self, args, kwargs):
        """Finds and hooks the cut by a forward with these arguments."""
        self._locating = True
        try:
            self.cut = locate(self.module, args, kwargs, self._lists)
        finally:
            self._locating = False
        self._hook_cut()
        self.at_cut()

    def at_cut(self):
        """The cut was located."""

    def at_start(self, args, kwargs):
        """A forward begins."""

    def at_blocks(self, h0):
        """The first main block's input."""

    def at_modulated(self, tap, modulated):
        """The modulated input of `tap`; named modules may show theirs before at_blocks."""

    def at_first(self, h):
        """The first block's output; only with first_block."""

    def at_head(self, h1):
        """What leaves the blocks, maybe in a wider dtype than h0."""

    def at_end(self, output):
        """A forward ended."""

    def _module_of(self, tap):
        if tap == "input":
            return None
        where, name = type(self.module).__name__, tap
        if tap == "time":
            name = TIME_EMBEDDINGS.get(where)
            if name is None:
                raise TeaCacheError(
                    where,
                    'its time embedding must be named (tap="...", a '
                    f"module) but only those of {sorted(TIME_EMBEDDINGS)} are "
                    "known",
                )
        try:
            return self.module.get_submodule(name)
        except AttributeError:
            raise TeaCacheError(
                where, f'tap must be "input", "time" or a module\'s name but is "{tap}"'
            ) from None

    def _hook_cut(self):
        cut, hook = self.cut, self._handles.append

        def on_input(module, name, tensor_of, call):
            def pre_hook(m, args, kwargs):
                if not self._show(name, m):
                    return None
                old = tensor_of(m, args, kwargs)
                new = call(old)
                return (
                    None if new is None else (replaced(args, old, new), replaced(kwargs, old, new))
                )

            hook(module.register_forward_pre_hook(pre_hook, with_kwargs=True))

        def on_output(module, name, slot, call):
            def post_hook(m, args, output):
                if not self._show(name, m):
                    return None
                old = tensors_of(output)[slot]
                new = call(old)
                return None if new is None else replaced(output, old, new)

            hook(module.register_forward_hook(post_hook))

        def first_tensor(m, args, kwargs):
            return tensors_of([*args, *kwargs.values()])[0]

        on_input(cut.first, "h0", stream_of, lambda h: self.at_blocks(h))
        for tap, module in self._taps.items():

            def modulated(x, tap=tap):
                return self.at_modulated(tap, x)

            if tap != "input":
                on_output(module, tap, 0, modulated)
            elif cut.modulated is None:
                raise TeaCacheError(
                    type(self.module).__name__,
                    "the first block must have an "
                    "attention or linear module but has none: name a tap",
                )
            else:
                on_input(cut.modulated, tap, stream_of, modulated)
        if self._first_block:
            if cut.second is not None:
                on_input(cut.second, "first", stream_of, lambda h: self.at_first(h))
            elif cut.first_slot is not None:
                on_output(cut.first, "first", cut.first_slot, lambda h: self.at_first(h))
            else:
                raise TeaCacheError(
                    type(self.module).__name__,
                    "the first block must give one tensor of its input's shape but does not",
                )
        if cut.after is not None:
            hook(cut.last.register_forward_hook(lambda *_: self._seen.add("last")))
            on_input(cut.after, "h1", first_tensor, lambda h: self.at_head(h))
        else:
            on_output(cut.last, "h1", cut.last_slot, lambda h: self.at_head(h))

    def _show(self, name, module):
        """Whether this is the first time in this forward that `name` shows itself."""
        early = module is self.cut.after and name == "h1" and "last" not in self._seen
        if self._locating or name in self._seen or early:
            return False
        self._seen.add(name)
        return True

    def _start(self, module, args, kwargs):
        if self._locating:
            return
        if self.cut is None:
            self.locate(args, kwargs)
        self._seen = set()
        self.at_start(args, kwargs)

    def _end(self, module, args, output):
        if self._locating:
            return
        missing = {"h0", "h1", *self._taps} - self._seen
        if missing:
            raise TeaCacheError(
                type(module).__name__,
                "hooks must see its blocks "
                f"{list(self.cut.lists)} run but saw no {sorted(missing)}: compiled, "
                "or skipped by a cache?",
            )
        self.at_end(output)
