"""Turns the transformer of a pipeline into a bundle that runs without Python.

    python -m teacache.export --pipeline FOLDER --size 832x480x81 --out bundle/

A bundle is a folder: bundle.json (what it is: names, shapes and types of every tensor, the parts in
their order, scheduler, guidance, digests), a file per part, constants.safetensors (weights and
buffers that no published file has; the published ones stay where they are), prompts.safetensors
(what the text encoders gave). A part gets its constants from outside, so they exist once.
"""

import argparse
import functools
import hashlib
import json
import os
import sys
from pathlib import Path

import torch
from torch import fx

from .calls import CallOrder, transformers_of
from .errors import TeaCacheError
from .split import LATENT_NAMES, Arguments, Tensor, run, split
from .version import __version__

VERSION = 1
TOLERANCE = 1e-4  # of max|out|: compiled parts round otherwise; sin and cos of t amplify it
BACKENDS = ("torchscript", "aoti")
_ENDING = {"torchscript": "pt", "aoti": "pt2"}


# --- What a pipeline gives to its transformers -------------------------------------------------


class _Enough(Exception):
    """Ends a pipeline whose calls were seen."""


class SeenCall:
    def __init__(self, expert, identity, kwargs, scheduler):
        self.expert, self.identity, self.kwargs = expert, identity, kwargs
        self.timesteps = [float(t) for t in getattr(scheduler, "timesteps", ())]


def _copied(value):
    if torch.is_tensor(value):
        return value.detach().clone()
    if isinstance(value, (list, tuple)):
        return type(value)(_copied(v) for v in value)
    return value


def watch_calls(pipe, arguments, calls=2):
    """Runs `pipe(**arguments)` until every expert had `calls` calls; their arguments."""
    modules = transformers_of(pipe)
    order, seen = CallOrder(modules.values(), getattr(pipe, "scheduler", None)), []
    handles = []

    def hook(module, args, kwargs, expert):
        done = {e: {c.identity.call for c in seen if c.expert == e} for e in modules}
        identity = order.next(None)
        if len(done[expert]) == calls and identity.call not in done[expert]:
            if all(len(d) == calls for d in done.values()):
                raise _Enough
            return
        if args:
            raise TeaCacheError(
                type(module).__name__,
                "the pipeline must name the transformer's arguments but gives some by place",
            )
        kwargs = {k: _copied(v) for k, v in kwargs.items() if k != "return_dict"}
        seen.append(SeenCall(expert, identity, kwargs, order.scheduler))

    order.attach()
    for expert, module in modules.items():
        handles.append(
            module.register_forward_pre_hook(
                lambda m, a, k, expert=expert: hook(m, a, k, expert), with_kwargs=True
            )
        )
    try:
        pipe(**arguments)
    except _Enough:
        pass
    finally:
        order.detach()
        for handle in handles:
            handle.remove()
    missing = set(modules) - {c.expert for c in seen}
    if missing:
        raise TeaCacheError(
            type(pipe).__name__,
            f"the run must call the experts {sorted(missing)} but did not: more steps",
        )
    return seen


# --- Parts --------------------------------------------------------------------------------------


def _constant(part, name):
    """A weight, or a tensor that the export made; shared with the model."""
    return functools.reduce(getattr, name.split("."), part.graph).detach()


def _key(name):
    """A weight's key in the published files."""
    return name.removeprefix("m.")


def _lifted(part):
    """The part with its constants as inputs before the others: TorchScript keeps none then."""
    graph, new = fx.Graph(), {}
    constants = {name: graph.placeholder(f"constant_{i}") for i, name in enumerate(part.constants)}
    for node in part.graph.graph.nodes:
        if node.op == "get_attr":
            new[node] = constants[node.target]
        else:
            new[node] = graph.node_copy(node, lambda a: new[a])
    return fx.GraphModule({}, graph)


def _to_torchscript(part, constants, inputs, path):
    values = (*(constants[name] for name in part.constants), *inputs)
    torch.jit.trace(_lifted(part), values, check_trace=False).save(path)
    loaded = torch.jit.load(path)
    return lambda *inputs: loaded(*(constants[name] for name in part.constants), *inputs)


def _to_aoti(part, constants, inputs, path):
    from torch._inductor import aot_compile
    from torch._inductor.package import load_package, package_aoti

    program = torch.export.export(part.graph, tuple(inputs), strict=False)
    files = aot_compile(
        program.module(check_guards=False),
        tuple(inputs),
        options={
            "aot_inductor.package": True,
            "aot_inductor.package_constants_in_so": False,
            "always_keep_tensor_constants": True,
        },
    )
    package_aoti(path, {"part": files})
    loaded = load_package(path, "part", run_single_threaded=True)
    wanted = loaded.get_constant_fqns()
    loaded.load_constants(
        {name: constants[name] for name in wanted}, check_full_update=True, user_managed=True
    )
    return lambda *inputs: loaded(*inputs)


_COMPILE = {"torchscript": _to_torchscript, "aoti": _to_aoti}


def _compile(name, part, constants, inputs, folder, backend):
    """(back end, file, how to call it). "auto": TorchScript where it can, else AOTInductor."""
    errors = []
    for one in ("torchscript", "aoti") if backend == "auto" else (backend,):
        path = folder / f"{name}.{_ENDING[one]}"
        try:
            return one, path, _COMPILE[one](part, constants, inputs, str(path))
        except Exception as error:  # the compilers raise all kinds
            errors.append(f"{one}: {str(error).strip().splitlines()[0]}")
    raise TeaCacheError(f'part "{name}"', f"must compile but does not: {'; '.join(errors)}")


def _compare(where, got, expected):
    scale = expected.abs().max().item()
    error = (got - expected).abs().max().item()
    if not error <= TOLERANCE * scale:
        raise TeaCacheError(
            where,
            f"must equal the model up to {TOLERANCE} of {scale:.4g} but "
            f"differs by {error:.4g}: try another back end",
        )
    return error / scale if scale > 0 else 0.0


def _close(where, got, expected):
    if got.is_complex():
        got, expected = torch.view_as_real(got), torch.view_as_real(expected)
    if not got.is_floating_point():
        return _compare(where, got.double(), expected.double())
    return _compare(where, got, expected)


@torch.no_grad()
def export_transformer(
    module,
    out,
    calls,
    backend="torchscript",
    tap="input",
    blocks=None,
    weights=None,
    log=lambda text: None,
):
    """Writes the parts and constants of one transformer into the folder `out`; its entry of the
    manifest. `calls`: keyword arguments of at least two calls; the first is the example, the others
    are what the compiled parts are verified on. `weights`: the published safetensors."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    if len(calls) < 2:
        raise TeaCacheError(
            "export",
            f"calls must be at least 2 (an example, and others to verify on) but are {len(calls)}",
        )
    parts = split(module, calls[0], tap, blocks)
    constants = {
        name: _constant(part, name).contiguous()
        for part in parts.parts.values()
        for name in part.constants
    }
    entries, compiled = {}, {}

    def compile_part(name, inputs):
        part = parts.parts[name]
        used, path, call = _compile(name, part, constants, inputs, out, backend)
        compiled[name] = call
        log(
            f"{name}: {used}, {len(part.inputs)} -> {len(part.outputs)} tensors, "
            f"{len(part.constants)} constants"
        )
        entries[name] = {
            "backend": used,
            "file": path.name,
            "sha256": _sha256(path),
            "inputs": list(part.inputs),
            "outputs": list(part.outputs),
            "constants": [_key(c) for c in part.constants],
        }
        return part.graph(*inputs)

    run(parts, parts.arguments.tensors(calls[0]), compile_part)
    worst = {}
    for kwargs in calls[1:]:
        tensors = parts.arguments.tensors(kwargs)

        def verify(name, inputs):
            expected, got = parts.parts[name].graph(*inputs), compiled[name](*inputs)
            for tensor, a, b in zip(parts.parts[name].outputs, got, expected, strict=True):
                error = _close(f'part "{name}", "{tensor}"', a, b)
                worst[name] = max(worst.get(name, 0.0), error)
            return expected

        run(parts, tensors, verify)
        got = run(parts, tensors, lambda name, inputs: compiled[name](*inputs))["output"]
        error = _compare("the whole bundle", got, parts.whole(*tensors))
        worst["whole"] = max(worst.get("whole", 0.0), error)
    stored = _store_constants(out, {_key(n): c for n, c in constants.items()}, weights)
    return {
        "class": type(module).__name__,
        "dtype": _dtype(next(module.parameters()).dtype),
        "modulated": tap,
        "parts": entries,
        "arguments": parts.arguments.names,
        "roles": parts.roles,
        **stored,
        "tensors": {
            name: {"shape": list(t.shape), "dtype": _dtype(t.dtype), "contiguous": True}
            for name, t in _all_tensors(parts).items()
        },
        "verified": {"calls": len(calls) - 1, "error": worst},
    }


def _all_tensors(parts):
    arguments = {
        name: Tensor(tuple(t.shape), t.dtype)
        for name, t in zip(parts.arguments.names, parts.arguments.example, strict=True)
    }
    return arguments | parts.tensors


def _dtype(dtype):
    return str(dtype).removeprefix("torch.")


def _sha256(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


# --- Constants ----------------------------------------------------------------------------------


def _store_constants(out, constants, weights):
    """Leaves in the published files what they have with these values, and writes the rest."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    files, rest = [], dict(constants)
    for path in sorted(Path(weights).glob("*.safetensors")) if weights else ():
        used = False
        with safe_open(path, framework="pt") as f:
            for key in set(f.keys()) & set(rest):
                value = f.get_tensor(key)
                mine = rest[key].cpu()
                if value.dtype == mine.dtype and torch.equal(value, mine):
                    del rest[key]
                    used = True
        if used:
            files.append({"file": os.path.relpath(path, out), "sha256": _sha256(path)})
    complex_ones = sorted(k for k, v in rest.items() if v.is_complex())
    written = {k: torch.view_as_real(v) if v.is_complex() else v for k, v in rest.items()}
    path = out / "constants.safetensors"
    save_file(
        {k: v.cpu().clone(memory_format=torch.contiguous_format) for k, v in written.items()}, path
    )
    return {
        "weights": files,
        "constants": {"file": path.name, "sha256": _sha256(path)},
        "complex": complex_ones,
    }


# --- Bundles ------------------------------------------------------------------------------------


def export_pipeline(
    pipe, out, arguments, *, backend="torchscript", tap="input", weights=None, log=lambda text: None
):
    """The bundle of a pipeline for calls of these arguments (size, frames, guidance, prompt)."""
    out = Path(out)
    seen = watch_calls(pipe, {**arguments, "output_type": "latent"})
    experts = {}
    for expert, module in transformers_of(pipe).items():
        folder = out / expert if expert else out
        calls = [c.kwargs for c in seen if c.expert == expert]
        published = (
            Path(weights) / ("transformer_2" if expert == "low" else "transformer")
            if weights
            else None
        )
        experts[expert] = export_transformer(
            module, folder, calls, backend, tap, weights=published, log=log
        ) | {"folder": expert or "."}
    first = [c for c in seen if c.identity.call == 0]
    write_prompts(out / "prompts.safetensors", [(arguments.get("prompt", ""), first)])
    manifest = {
        "format": "teacache-bundle",
        "version": VERSION,
        "tool_version": __version__,
        "model": type(pipe).__name__,
        "torch": torch.__version__,
        "device": next(iter(transformers_of(pipe).values())).device.type,
        "scheduler": _scheduler(pipe),
        "guidance": _guidance(first, arguments),
        "timestep": _timestep(first[0]),
        "prompts": "prompts.safetensors",
        "arguments": {
            k: v for k, v in arguments.items() if isinstance(v, (int, float, str)) and k != "prompt"
        },
        "boundary_ratio": getattr(pipe.config, "boundary_ratio", None),
        "experts": experts,
    }
    for name in ("diffusers",):
        if name in sys.modules:
            manifest[name] = sys.modules[name].__version__
    with open(out / "bundle.json", "w", encoding="utf-8") as f:
        json.dump(manifest, f, indent=1, ensure_ascii=False)
        f.write("\n")
    return manifest


def _scheduler(pipe):
    config = {
        k: v
        for k, v in dict(pipe.scheduler.config).items()
        if not k.startswith("_") and isinstance(v, (int, float, str, bool, list, type(None)))
    }
    return {"class": type(pipe.scheduler).__name__, "config": config}


def _guidance(first, arguments):
    """How the passes of a step are made, as its first call shows."""
    latent = next(v for n, v in first[0].kwargs.items() if n in LATENT_NAMES)
    batch = len(latent)
    passes = [c.identity.name if c.identity.name else f"pass{c.identity.ordinal}" for c in first]
    mode = (
        "calls"
        if len(first) > 1
        else "batched"
        if batch > 1
        else "embedded"
        if torch.is_tensor(first[0].kwargs.get("guidance"))
        else "none"
    )
    return {
        "mode": mode,
        "passes": passes,
        "batch": batch,
        "scale": arguments.get("guidance_scale"),
    }


def _timestep(call):
    """How the pipeline gives the time: times this factor, in this shape and type."""
    names = Arguments(call.kwargs)
    name = names.under(("timestep", "timesteps", "t"))[0]
    given = call.kwargs[name]
    factor = float(given.flatten().max()) / call.timesteps[0] if call.timesteps[0] else 1.0
    return {
        "name": name,
        "factor": round(factor, 9),
        "shape": list(given.shape),
        "dtype": _dtype(given.dtype),
    }


def write_prompts(path, prompts):
    """[(text, calls of a step)] -> a file of what the transformer is given besides latent and time:
    "0.cond.encoder_hidden_states" ..., and the texts as metadata."""
    from safetensors.torch import save_file

    tensors = {}
    for k, (_, calls) in enumerate(prompts):
        for call in calls:
            arguments = Arguments(call.kwargs)
            changing = arguments.under(LATENT_NAMES) + arguments.under(
                ("timestep", "timesteps", "t")
            )
            name = call.identity.name or f"pass{call.identity.ordinal}"
            for argument, tensor in zip(arguments.names, arguments.example, strict=True):
                if argument not in changing:
                    tensors[f"{k}.{name}.{argument}"] = tensor.cpu().clone(
                        memory_format=torch.contiguous_format
                    )
    save_file(tensors, path, {"prompts": json.dumps([text for text, _ in prompts])})


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="python -m teacache.export",
        description="Export the transformer of a diffusers "
        "pipeline as a bundle for this project's programs.",
    )
    parser.add_argument("--pipeline", required=True, help="Folder of a diffusers pipeline")
    parser.add_argument("--size", required=True, help="WIDTHxHEIGHT or WIDTHxHEIGHTxFRAMES")
    parser.add_argument("--out", required=True, help="Folder to write")
    parser.add_argument("--prompt", default="a cat", help="Text of the example (default: a cat)")
    parser.add_argument("--guidance", type=float, help="Guidance scale (default: the pipeline's)")
    parser.add_argument("--dtype", default="float32", help="Of the weights (default: float32)")
    parser.add_argument("--device", default="cpu", help="Where the bundle is to run (default: cpu)")
    parser.add_argument("--tap", default="input", help="input, time or a module (default: input)")
    parser.add_argument(
        "--backend",
        default="auto",
        choices=("auto", *BACKENDS),
        help="auto (default): TorchScript, AOTInductor where tracing fails",
    )
    options = parser.parse_args(argv)
    try:
        import diffusers

        size = [int(n) for n in options.size.split("x")]
        if len(size) not in (2, 3):
            raise TeaCacheError("--size", f"must be WIDTHxHEIGHT[xFRAMES] but is {options.size}")
        pipe = diffusers.DiffusionPipeline.from_pretrained(
            options.pipeline, torch_dtype=getattr(torch, options.dtype)
        ).to(options.device)
        arguments = {
            "prompt": options.prompt,
            "width": size[0],
            "height": size[1],
            "num_inference_steps": 4,
        }
        if len(size) == 3:
            arguments["num_frames"] = size[2]
        if options.guidance is not None:
            arguments["guidance_scale"] = options.guidance
        export_pipeline(
            pipe,
            options.out,
            arguments,
            backend=options.backend,
            tap=options.tap,
            weights=options.pipeline,
            log=print,
        )
    except (TeaCacheError, ValueError, OSError, ImportError) as error:
        print(f"teacache.export: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
