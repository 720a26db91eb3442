"""Cuts a transformer into parts that a program can run, or leave out, one by one:

    prepare  once per prompt: what depends on neither the latent nor the time (text, positions)
    embed    the latent and the time into h0, the modulated input and what the blocks need besides
    first    the first main block
    blocks   the other main blocks
    head     what they give into the prediction

The whole is exported once, with markers at the tensors that `Tap` finds. Every node then belongs to
the earliest part at which its inputs are known, its module allowed it, and it is needed.
"""

import inspect
import operator
from typing import NamedTuple

import torch
from torch import fx

from .errors import TeaCacheError
from .tap import Tap

PARTS = ("prepare", "embed", "first", "blocks", "head")
_PREPARE, _EMBED, _FIRST, _BLOCKS, _HEAD = range(5)
LATENT_NAMES = ("hidden_states", "x", "latents", "sample")
TIME_NAMES = ("timestep", "timesteps", "t")


@torch.library.custom_op("teacache::mark", mutates_args=())
def mark(x: torch.Tensor, name: str) -> torch.Tensor:
    return x.clone()


@mark.register_fake
def _(x, name):
    return torch.empty_like(x)


class _MarkingTap(Tap):
    """Marks the tensors of a forward that is being exported."""

    def __init__(self, module, tap, blocks):
        super().__init__(module, (tap,), blocks, first_block=True)

    def at_blocks(self, h0):
        return mark(h0, "h0")

    def at_modulated(self, tap, modulated):
        return mark(modulated, "modulated")

    def at_first(self, h):
        return mark(h, "first")

    def at_head(self, h1):
        return mark(h1, "h1")


class Arguments:
    """The arguments of a call as tensors in a fixed order; all else is part of the program."""

    def __init__(self, kwargs):
        self.names, self.example = [], []
        self._spec = {name: self._walk(value, name) for name, value in kwargs.items()}

    def _walk(self, value, name):
        if torch.is_tensor(value):
            self.names.append(name)
            self.example.append(value)
            return len(self.names) - 1
        if isinstance(value, (list, tuple)):
            return type(value), [self._walk(v, f"{name}.{i}") for i, v in enumerate(value)]
        return None, value

    def tensors(self, kwargs):
        """The tensors of another call, which must have the same ones."""
        other = Arguments(kwargs)
        for name, old in zip(self.names, self.example, strict=True):
            if name not in other.names:
                raise TeaCacheError(
                    "export", f'calls must have the same tensors but "{name}" is missing in one'
                )
            new = other.example[other.names.index(name)]
            if (new.shape, new.dtype) != (old.shape, old.dtype):
                raise TeaCacheError(
                    "export",
                    f'"{name}" must be {tuple(old.shape)} {old.dtype} in every call but '
                    f"is {tuple(new.shape)} {new.dtype} in one",
                )
        if len(other.names) != len(self.names):
            raise TeaCacheError("export", "calls must have the same tensors but one has more")
        by_name = dict(zip(other.names, other.example, strict=True))
        return tuple(by_name[name].contiguous() for name in self.names)

    def kwargs(self, tensors):
        def build(spec):
            if isinstance(spec, int):
                return tensors[spec]
            kind, value = spec
            return value if kind is None else kind(build(v) for v in value)

        return {name: build(spec) for name, spec in self._spec.items()}

    def under(self, names):
        """The tensors of the first of these arguments that there is."""
        for wanted in names:
            if found := [n for n in self.names if n.split(".")[0] == wanted]:
                return found
        return []


class Whole(torch.nn.Module):
    """The transformer as a function of tensors."""

    def __init__(self, module, arguments):
        super().__init__()
        self.m, self._arguments = module, arguments
        signature = inspect.signature(type(module).forward)
        self._more = {"return_dict": False} if "return_dict" in signature.parameters else {}

    def forward(self, *tensors):
        out = self.m(**self._arguments.kwargs(tensors), **self._more)
        out = out[0] if isinstance(out, (tuple, list)) else out
        return torch.stack(list(out)) if isinstance(out, (tuple, list)) else out


class Part(NamedTuple):
    graph: fx.GraphModule  # constants (names of weights) are its attributes
    inputs: tuple  # names of tensors
    outputs: tuple
    constants: tuple  # keys of weights and buffers, in the order in which the graph has them


class Tensor(NamedTuple):
    shape: tuple
    dtype: torch.dtype


class Split(NamedTuple):
    parts: dict  # {name of the part: Part}, in their order
    tensors: dict  # {name: Tensor} of everything that crosses
    arguments: Arguments
    roles: dict  # "latent", "time", "h0", "modulated", "first", "h1", "output", "kept"
    whole: Whole


@torch.no_grad()
def split(module, kwargs, tap="input", blocks=None):
    """The parts of `module` for calls of these shapes. Fails with torch's reason where the forward
    cannot be exported."""
    arguments = Arguments(kwargs)
    whole = Whole(module, arguments).eval()
    tensors = arguments.tensors(kwargs)
    marking = _MarkingTap(module, tap, blocks)
    marking.attach()
    try:
        marking.locate((), {**kwargs, **whole._more})
        cut = marking.cut
        program = torch.export.export(whole, tensors, strict=False)
    except TeaCacheError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise TeaCacheError(
            type(module).__name__,
            f"the forward must not depend on values of tensors but torch.export says: {reason}. "
            "TraceRecorder and apply_teacache work without an export",
        ) from error
    finally:
        marking.detach()
    # Functional: a write in place would have no user, and be lost in a part.
    graph_module = program.run_decompositions({}).module(check_guards=False)
    graph, marks = graph_module.graph, _take_marks(graph_module.graph)
    missing = {"h0", "modulated", "first", "h1"} - set(marks)
    if missing:
        raise TeaCacheError(
            type(module).__name__, f"the export must show {sorted(missing)} but does not"
        )
    _drop_type_edges(graph)
    _expand_fills(graph)
    graph.eliminate_dead_code()
    marks["h1"] = _uncast(marks["h1"], marks["h0"])
    return _Cutter(graph_module, marks, arguments, whole, cut).split()


def _take_marks(graph):
    marks = {}
    for node in list(graph.nodes):
        if node.op == "call_function" and node.target is torch.ops.teacache.mark.default:
            marks[node.args[1]] = node.args[0]
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    return marks


def _drop_type_edges(graph):
    """Nodes that read only a tensor's dtype would make it cross."""
    aten = torch.ops.aten
    for node in list(graph.nodes):
        if node.op != "call_function":
            continue
        if node.target is aten.type_as.default:
            node.target, node.args = aten.to.dtype, (node.args[0], node.args[1].meta["val"].dtype)
        elif node.target is aten._assert_tensor_metadata.default:
            graph.erase_node(node)


def _expand_fills(graph):
    """Fills that TorchScript traces to operators which it does not know: those with a tensor as the
    value become expansions, those with True numbers."""
    aten = torch.ops.aten
    for node in list(graph.nodes):
        if node.target is aten.masked_fill.Scalar and isinstance(node.args[2], bool):
            node.args = (*node.args[:2], int(node.args[2]))
        tensor_fill = node.target in (aten.fill.Tensor, aten.full_like.default)
        if not tensor_fill or not isinstance(node.args[1], fx.Node):
            continue
        value, like = node.args[1], node.meta["val"]
        with graph.inserting_before(node):
            steps = [graph.call_function(aten.expand.default, (value, list(like.shape)))]
            steps.append(
                graph.call_function(aten._to_copy.default, (steps[-1],), {"dtype": like.dtype})
            )
            contiguous = {"memory_format": torch.contiguous_format}
            steps.append(graph.call_function(aten.clone.default, (steps[-1],), contiguous))
        for step in steps:
            step.meta = dict(node.meta)
        node.replace_all_uses_with(steps[-1])
        graph.erase_node(node)


def _uncast(h1, h0):
    """Wan's head begins with a cast to float32: the hidden states leave in the blocks' dtype."""
    casts = (torch.ops.aten._to_copy.default, torch.ops.aten.to.dtype)
    dtype = h0.meta["val"].dtype
    while h1.target in casts and h1.meta["val"].dtype != dtype == h1.args[0].meta["val"].dtype:
        h1 = h1.args[0]
    return h1


class _Cutter:
    def __init__(self, graph_module, marks, arguments, whole, cut):
        self.module, self.graph, self.marks = graph_module, graph_module.graph, marks
        self.arguments = arguments
        self.nodes = [n for n in self.graph.nodes if n.op == "call_function"]
        self.order = {n: i for i, n in enumerate(self.graph.nodes)}
        self.inputs = [n for n in self.graph.nodes if n.op == "placeholder"]
        out = next(n for n in self.graph.nodes if n.op == "output")
        self.output = out.all_input_nodes[0]
        paths = {m: path for path, m in whole.named_modules()}
        self.whole, self.first_path = whole, paths[cut.first]
        self.block_paths = tuple(paths[b] for b in cut.blocks)

    def split(self):
        latent = self.arguments.under(LATENT_NAMES)
        time = self.arguments.under(TIME_NAMES)
        if not latent or not time:
            raise TeaCacheError(
                "export",
                "a call must have a latent (hidden_states) and a timestep "
                f"but has {self.arguments.names}",
            )
        self._stage(latent + time)
        self.names = dict(zip(self.inputs, self.arguments.names, strict=True))
        for role, node in self.marks.items():
            self.names[node] = role
        self.names[self.output] = "output"
        outputs = [self._outputs(stage) for stage in range(len(PARTS))]
        parts = {}
        for stage, part in enumerate(PARTS):
            nodes = [n for n in self.nodes if self.stage[n] == stage]
            if nodes:
                parts[part] = self._build(nodes, outputs[stage])
        crossing = {name for p in parts.values() for name in (*p.inputs, *p.outputs)}
        tensors = {
            name: Tensor(tuple(n.meta["val"].shape), n.meta["val"].dtype)
            for n, name in self.names.items()
            if name in crossing
        }
        kept = [
            self.names[n]
            for s in (_FIRST, _BLOCKS)
            for n in outputs[s]
            if n is not self.marks["h1"] and self._last_use(n) == _HEAD
        ]
        roles = {
            "latent": latent,
            "time": time,
            **{r: r for r in self.marks},
            "output": "output",
            "kept": kept,
        }
        return Split(parts, tensors, self.arguments, roles, self.whole)

    def _stage(self, changing):
        """Assigns every node to a part."""
        needed = self._ancestors([self.output, *self.marks.values()])
        before = self._ancestors([self.marks["h0"], self.marks["modulated"]])
        until_head = self._ancestors([self.marks["h1"]])
        by_name = dict(zip(self.arguments.names, self.inputs, strict=True))
        self.stage = {n: _PREPARE for n in self.graph.nodes if n.op in ("placeholder", "get_attr")}
        self.stage |= {by_name[name]: _EMBED for name in changing}
        after_h1 = {self.marks["h1"]}
        for n in self.nodes:
            stage = max((self.stage[a] for a in n.all_input_nodes), default=_PREPARE)
            if n.target is operator.getitem:
                stage = self.stage[n.args[0]]  # several outputs cross one by one
            elif n not in before:
                path = self._path(n)
                if path is not None:
                    stage = max(stage, _FIRST if path == self.first_path else _BLOCKS)
            if n not in until_head and any(a in after_h1 for a in n.all_input_nodes):
                after_h1.add(n)
                stage = _HEAD
            self.stage[n] = stage
        self.nodes = [n for n in self.nodes if n in needed]
        for role, stage in (
            ("h0", _EMBED),
            ("modulated", _EMBED),
            ("first", _FIRST),
            ("h1", _BLOCKS),
        ):
            if (
                self.stage[self.marks[role]] > stage
                or role in ("first", "h1")
                and self.stage[self.marks[role]] != stage
            ):
                raise TeaCacheError(
                    "export",
                    f'"{role}" must be known after the part '
                    f'"{PARTS[stage]}" but is after '
                    f'"{PARTS[self.stage[self.marks[role]]]}"',
                )

    def _path(self, node):
        """The main block that a node belongs to."""
        for path, _ in (node.meta.get("nn_module_stack") or {}).values():
            for block in self.block_paths:
                if path == block or path.startswith(block + "."):
                    return block
        return None

    def _ancestors(self, roots):
        seen, stack = set(), list(roots)
        while stack:
            n = stack.pop()
            if n not in seen:
                seen.add(n)
                stack += n.all_input_nodes
        return seen

    def _last_use(self, node):
        return max((self.stage.get(user, _PREPARE) for user in node.users), default=_PREPARE)

    def _outputs(self, stage):
        """What later parts need of this one, the marked tensors first."""
        wanted = [n for n in self.marks.values() if self.stage[n] == stage]
        if stage == _HEAD:
            wanted.append(self.output)
        wanted += [
            n
            for n in self.nodes
            if self.stage[n] == stage and self._last_use(n) > stage and n not in wanted
        ]
        for n in wanted:
            name = n.name
            while n not in self.names and name in self.names.values():
                name += "_"
            self.names.setdefault(n, name)
        return wanted

    def _build(self, nodes, outputs):
        inside = set(nodes)
        attributes, inputs = [], []
        for n in (*nodes, *outputs):
            for a in n.all_input_nodes if n in inside else [n]:
                if a.op == "get_attr" and a not in attributes:
                    attributes.append(a)
                elif a.op != "get_attr" and a not in inside and a not in inputs:
                    inputs.append(a)
        inputs.sort(key=self.order.get)
        part, new = fx.Graph(), {}
        for n in inputs:
            new[n] = part.placeholder(n.name)
            new[n].meta = dict(n.meta)
        for n in sorted([*attributes, *nodes], key=self.order.get):
            new[n] = part.node_copy(n, lambda a: new[a])
        # A compiled part believes in the strides of its inputs: what crosses is contiguous.
        part.output(
            tuple(
                new[n]
                if n.meta["val"].is_contiguous() and n not in inputs
                else part.call_function(
                    torch.ops.aten.clone.default,
                    (new[n],),
                    {"memory_format": torch.contiguous_format},
                )
                for n in outputs
            )
        )
        constants = tuple(dict.fromkeys(a.target for a in attributes))
        return Part(
            fx.GraphModule(self.module, part).eval(),
            tuple(self.names[n] for n in inputs),
            tuple(self.names[n] for n in outputs),
            constants,
        )


def run(split_, tensors, call=None):
    """One call through all parts: {name: tensor}. `call(part, inputs)` runs a part."""
    values = dict(zip(split_.arguments.names, tensors, strict=True))
    for name, part in split_.parts.items():
        inputs = [values[i] for i in part.inputs]
        outputs = call(name, inputs) if call else part.graph(*inputs)
        values.update(zip(part.outputs, outputs, strict=True))
    return values
