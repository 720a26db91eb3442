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
import inspect
import json
import math
import os
import platform
import sys
import warnings
from pathlib import Path

import torch
from torch import fx

from .calls import CallOrder, _patch, transformers_of
from .errors import TeaCacheError
from .recorder import model_name
from .split import LATENT_NAMES, TIME_NAMES, Arguments, Tensor, run, split
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
        self.output = None  # of the transformer
        self.step = None  # what the scheduler was then given: {argument: value}


def _copied(value):
    if torch.is_tensor(value):
        return value.detach().clone()
    if isinstance(value, (list, tuple)):
        return type(value)(_copied(v) for v in value)
    return value


def watch_calls(pipe, arguments, calls=2):
    """Runs `pipe(**arguments)` until every expert had `calls` calls; the calls, and how the
    scheduler's timesteps were set."""
    modules = transformers_of(pipe)
    order, seen = CallOrder(modules.values(), getattr(pipe, "scheduler", None)), []
    undo, schedule = [], {}

    def before(module, args, kwargs, expert):
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

    def after(module, args, kwargs, out):
        out = list(out.values()) if isinstance(out, dict) else out
        if seen and seen[-1].output is None:
            seen[-1].output = _copied(out[0] if isinstance(out, (tuple, list)) else out)

    def step(original):
        def method(scheduler, *args, **kwargs):
            given = inspect.signature(original).bind(scheduler, *args, **kwargs).arguments
            for call in seen:
                if call.identity.call == seen[-1].identity.call and call.step is None:
                    call.step = {k: _copied(given.get(k)) for k in ("model_output", "sample")}
            return original(scheduler, *args, **kwargs)

        return method

    def set_timesteps(original):
        def method(scheduler, *args, **kwargs):
            given = inspect.signature(original).bind(scheduler, *args, **kwargs).arguments
            schedule.update({k: given.get(k) for k in ("num_inference_steps", "sigmas", "mu")})
            return original(scheduler, *args, **kwargs)

        return method

    order.attach()
    if order.scheduler is not None:
        undo.append(_patch(type(order.scheduler), "step", step))
        undo.append(_patch(type(order.scheduler), "set_timesteps", set_timesteps))
    for expert, module in modules.items():
        undo.append(
            module.register_forward_pre_hook(
                lambda m, a, k, expert=expert: before(m, a, k, expert), with_kwargs=True
            ).remove
        )
        undo.append(module.register_forward_hook(after, with_kwargs=True).remove)
    try:
        pipe(**arguments)
    except _Enough:
        pass
    finally:
        for one in reversed(undo):
            one()
        order.detach()
    missing = set(modules) - {c.expert for c in seen}
    if missing:
        raise TeaCacheError(
            type(pipe).__name__,
            f"the run must call the experts {sorted(missing)} but did not: more steps",
        )
    return seen, schedule


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
        values = run(parts, tensors, lambda name, inputs: compiled[name](*inputs))
        expected = parts.whole(*tensors)
        error = _compare("the whole bundle", values["output"], expected)
        worst["whole"] = max(worst.get("whole", 0.0), error)
    check = dict(zip(parts.arguments.names, tensors, strict=True))
    check |= {"output": expected, "modulated": values["modulated"]}
    stored = _store_constants(out, {_key(n): c for n, c in constants.items()}, weights)
    return {
        "class": type(module).__name__,
        "dtype": _dtype(next(module.parameters()).dtype),
        "modulated": tap,
        "parts": entries,
        "arguments": parts.arguments.names,
        "roles": parts.roles,
        **stored,
        "check": _store_check(out / "check.safetensors", check),
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


def _store_check(path, tensors):
    """A call with the model's answer, for `inspect-bundle`."""
    from safetensors.torch import save_file

    contiguous = {"memory_format": torch.contiguous_format}
    save_file({k: v.detach().cpu().clone(**contiguous) for k, v in tensors.items()}, path)
    return {"file": path.name, "sha256": _sha256(path)}


# --- Bundles ------------------------------------------------------------------------------------


def export_pipeline(
    pipe,
    out,
    arguments,
    *,
    prompts=None,
    fps=16.0,
    backend="torchscript",
    tap="input",
    weights=None,
    log=lambda text: None,
):
    """The bundle of a pipeline for calls of these arguments (size, frames, guidance, prompt).
    `prompts`: {text: arguments that say it to the pipeline}, of which each goes into
    prompts.safetensors; by default the one of `arguments`. `fps`: of videos that are decoded."""
    out = Path(out)
    latent = {**arguments, "output_type": "latent"}
    seen, schedule = watch_calls(pipe, latent)
    modules = transformers_of(pipe)
    by_expert = {e: [c for c in seen if c.expert == e] for e in modules}
    guidance = {e: _guidance(pipe, calls) for e, calls in by_expert.items()}
    experts = {}
    for expert, module in modules.items():
        folder = out / expert if expert else out
        published = (
            Path(weights) / ("transformer_2" if expert == "low" else "transformer")
            if weights
            else None
        )
        calls = [c.kwargs for c in by_expert[expert]]
        experts[expert] = export_transformer(
            module, folder, calls, backend, tap, weights=published, log=log
        ) | {"folder": expert or ".", "guidance_scale": guidance[expert]["scale"]}
    first = [c for c in seen if c.identity.call == 0]
    if prompts is None:
        texts = [(arguments.get("prompt", ""), first)]
    else:
        texts = [(text, _first_calls(pipe, {**latent, **more})) for text, more in prompts.items()]
    names = guidance[first[0].expert]["passes"]
    write_prompts(out / "prompts.safetensors", texts, names)
    manifest = {
        "format": "teacache-bundle",
        "version": VERSION,
        "tool_version": __version__,
        "model": model_name(pipe),
        "torch": torch.__version__,
        "device": next(iter(modules.values())).device.type,
        "machine": platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "scheduler": _scheduler(pipe),
        "schedule": _schedule(schedule, first[0]),
        "guidance": guidance[first[0].expert],
        "timestep": _timestep(seen),
        "latent": _latent(pipe, seen),
        "decoder": _export_decoder(pipe, out, arguments, fps, log),
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


def _first_calls(pipe, arguments):
    seen, _ = watch_calls(pipe, arguments, calls=1)
    return [c for c in seen if c.identity.call == 0]


def _scheduler(pipe):
    config = {
        k: v
        for k, v in dict(pipe.scheduler.config).items()
        if not k.startswith("_")
        and isinstance(v, (int, float, str, bool, list, type(None)))
        and not (isinstance(v, float) and not math.isfinite(v))  # lambda_min_clipped = -inf
    }
    return {"class": type(pipe.scheduler).__name__, "config": config}


def _schedule(given, call):
    """How the pipeline sets the timesteps, and what came of it."""
    steps, sigmas = len(call.timesteps), given.get("sigmas")
    mu = given.get("mu")
    return {
        "steps": steps,
        "sigmas": _kind_of_sigmas(sigmas),
        "given": [float(s) for s in sigmas] if _kind_of_sigmas(sigmas) == "given" else [],
        "mu": None if mu is None else float(mu),
        "timesteps": call.timesteps,
    }


def _kind_of_sigmas(sigmas):
    """Lists that pipelines make of the number of steps alone go on for other numbers of steps."""
    if sigmas is None:
        return "scheduler"
    sigmas, n = torch.tensor([float(s) for s in sigmas], dtype=torch.float64), len(sigmas)
    for name, known in (
        ("linear", torch.linspace(1, 1 / n, n, dtype=torch.float64)),
        ("linear_quadratic", _linear_quadratic(n)),
    ):
        if torch.allclose(sigmas, known, rtol=0, atol=1e-6):
            return name
    return "given"


def _linear_quadratic(steps, threshold=0.025):
    """Mochi's: linear up to `threshold` in the first half, then quadratic."""
    linear = steps // 2
    if linear < 1:
        return torch.ones(1, dtype=torch.float64)
    half = torch.arange(linear, dtype=torch.float64) * threshold / linear
    difference, quadratic = linear - threshold * steps, steps - linear
    a = difference / (linear * quadratic**2)
    b = threshold / linear - 2 * difference / quadratic**2
    i = torch.arange(linear, steps, dtype=torch.float64)
    return 1 - torch.cat([half, a * i**2 + b * i + a * linear**2])


# --- Decoder ------------------------------------------------------------------------------------


class _Decoder(torch.nn.Module):
    """From the latent after the last step to frames [T, 3, height, width] in [-1, 1]."""

    def __init__(self, vae, axes, scale, shift, arguments):
        super().__init__()
        self.vae, self.axes, self.arguments = vae, axes, arguments
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def forward(self, latent):
        z = (latent.permute(self.axes) if self.axes else latent) * self.scale + self.shift
        frames = self.vae.decode(z.to(self.vae.dtype), return_dict=False, **self.arguments)[0]
        if frames.ndim == 5:
            frames = frames[0].transpose(0, 1)
        return frames.float().contiguous()


def _watch_decoding(pipe, arguments):
    """A whole run: (latent after the last step, the VAE's calls, frames)."""
    calls, latents = [], []

    def step(original):
        def method(scheduler, *args, **kwargs):
            out = original(scheduler, *args, **kwargs)
            latents.append(out[0] if isinstance(out, tuple) else out.prev_sample)
            return out

        return method

    def decode(original):
        def method(vae, z, *args, **kwargs):
            calls.append((z.detach().clone(), args, kwargs))
            return original(vae, z, *args, **kwargs)

        return method

    undo = [
        _patch(type(pipe.scheduler), "step", step),
        _patch(type(pipe.vae), "decode", decode),
    ]
    try:
        frames = pipe(**{**arguments, "output_type": "pt"})[0]
    finally:
        for one in undo:
            one()
    return latents[-1], calls, frames


def _affine(latent, z):
    """(axes, scale, shift) with z = scale * latent.permute(axes) + shift, of each channel."""
    for axes in (None, (0, 2, 1, 3, 4)):
        if axes and latent.ndim != 5:
            continue
        x = latent.permute(axes) if axes else latent
        if x.shape != z.shape:
            continue
        over = [d for d in range(x.ndim) if d != 1]
        a, b = x.double(), z.double()
        mean_a, mean_b = a.mean(over, keepdim=True), b.mean(over, keepdim=True)
        scale = ((a - mean_a) * (b - mean_b)).sum(over, keepdim=True)
        scale = scale / ((a - mean_a) ** 2).sum(over, keepdim=True)
        shift = mean_b - scale * mean_a
        if (scale * a + shift - b).abs().max() <= TOLERANCE * b.abs().max():
            return axes, scale.float(), shift.float()
    return None


@torch.no_grad()
def _export_decoder(pipe, out, arguments, fps, log):
    """The manifest's entry; None where the pipeline does more than this, or has no VAE."""
    if getattr(pipe, "vae", None) is None:
        return None
    path = out / "decoder.pt"
    try:
        latent, calls, frames = _watch_decoding(pipe, arguments)
        given = len(calls) == 1 and not any(torch.is_tensor(v) for v in calls[0][1])
        affine = _affine(latent, calls[0][0]) if given and not calls[0][1] else None
        if affine is None:
            log("decoder: not exported (latents are more than scaled before it)")
            return None
        kept = {k: v for k, v in calls[0][2].items() if k != "return_dict"}
        decoder = _Decoder(pipe.vae, *affine, kept).eval()
        with warnings.catch_warnings():  # sizes are fixed
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            torch.jit.trace(decoder, (latent,), check_trace=False).save(str(path))
        got = torch.jit.load(str(path))(latent)
        expected = frames[0] if frames.ndim == 5 else frames
        error = _compare("the decoder", (got / 2 + 0.5).clamp(0, 1), expected.float())
    except Exception as error:  # the tracer raises all kinds
        path.unlink(missing_ok=True)
        log(f"decoder: not exported ({str(error).strip().splitlines()[0]})")
        return None
    log(f"decoder: torchscript, {tuple(got.shape)}")
    return {"file": path.name, "sha256": _sha256(path), "fps": float(fps), "error": error}


# --- Guidance, latent, time -----------------------------------------------------------------------


def _guidance(pipe, calls):
    """How the prediction is made of the passes of a step, as the first call of an expert shows."""
    calls = [c for c in calls if c.identity.call == calls[0].identity.call]
    passes = [c.identity.name if c.identity.name else f"pass{c.identity.ordinal}" for c in calls]
    step, batch = calls[0].step, len(_hidden(calls[0]))
    if step is None:
        raise TeaCacheError(type(pipe).__name__, "the run must step its scheduler but does not")
    result = {"passes": passes, "batch": batch, "scale": None}
    wanted = step["model_output"].float()
    outputs = [_cropped(c.output.float(), wanted) for c in calls]
    if len(calls) == 1 and batch == 2 * len(wanted):
        fit = _fit(*outputs[0].chunk(2)[::-1], wanted)
        return result | {"mode": "batched", **fit}
    if len(calls) == 1:
        _check_prediction(pipe, outputs[0], wanted)
        embedded = torch.is_tensor(calls[0].kwargs.get("guidance"))
        scale = getattr(pipe, "guidance_scale", None) if embedded else None
        return result | {
            "mode": "embedded" if embedded else "none",
            "formula": "none",
            "scale": None if scale is None else float(scale),
        }
    if len(calls) == 2:
        # Both orders fit: cond is the one that is weighted more.
        fit, order = _fit(*outputs, wanted), ["cond", "uncond"]
        if fit["scale"] is not None and fit["scale"] < 0.5:
            fit, order = _fit(*outputs[::-1], wanted), ["uncond", "cond"]
        return result | {"mode": "calls", **fit, "passes": order if fit["scale"] else passes}
    return result | {"mode": "calls", "formula": "unknown"}


def _hidden(call):
    """The latent that a transformer is given."""
    arguments = Arguments(call.kwargs)
    return arguments.example[arguments.names.index(arguments.under(LATENT_NAMES)[0])]


def _cropped(output, wanted):
    """Models that predict a variance give twice the channels."""
    channels = wanted.shape[1] if wanted.ndim > 1 else 0
    return output[:, :channels] if output.ndim > 1 and output.shape[1] == 2 * channels else output


def _near(a, b):
    return a.shape == b.shape and bool((a - b).abs().max() <= 1e-3 * b.abs().max())


def _check_prediction(pipe, got, wanted):
    if not _near(got, wanted):
        raise TeaCacheError(
            type(pipe).__name__,
            "the scheduler must be given what the transformer predicts but is given something else",
        )


def _fit(cond, uncond, wanted):
    """{"formula", "scale"}: "cfg" = u + s (c - u); "cfg_norm" = that, with the length of c along
    the last dimension; "unknown"."""
    d = cond - uncond
    if cond.shape != wanted.shape or not d.abs().max() > 0:
        return {"formula": "unknown", "scale": None}
    s = ((wanted - uncond) * d).sum() / (d * d).sum()
    if _near(uncond + s * d, wanted):
        return {"formula": "cfg", "scale": round(s.item(), 5)}
    pairs = torch.stack([uncond, cond], -1).reshape(-1, cond.shape[-1], 2)
    weights = torch.linalg.lstsq(pairs, wanted.reshape(-1, cond.shape[-1], 1)).solution[..., 0]
    s = (weights[:, 1] / weights.sum(1)).median()
    mixed = uncond + s * d
    mixed = mixed * (cond.norm(dim=-1, keepdim=True) / mixed.norm(dim=-1, keepdim=True))
    if _near(mixed, wanted):
        return {"formula": "cfg_norm", "scale": round(s.item(), 4)}
    return {"formula": "unknown", "scale": None}


def _latent(pipe, seen):
    """Shape and types of what is denoised. `dtype`: of the noise; `step_dtype`: after a step;
    `prediction_dtype`: of what the scheduler is given."""
    first = seen[0].step["sample"]
    later = next((c.step["sample"] for c in seen if c.identity.call > 0 and c.step), first)
    hidden = _hidden(seen[0])
    if not torch.equal(hidden[: len(first)], first.to(hidden.dtype)):
        raise TeaCacheError(
            type(pipe).__name__,
            "the transformer must be given the latent that the scheduler steps but is given more",
        )
    return {
        "shape": list(first.shape),
        "dtype": _dtype(first.dtype),
        "step_dtype": _dtype(later.dtype),
        "prediction_dtype": _dtype(seen[0].step["model_output"].dtype),
    }


def _timestep(seen):
    """How the pipeline gives the time: times this factor, in this shape and type."""
    names = Arguments(seen[0].kwargs)
    name = names.under(TIME_NAMES)[0]
    given = names.example[names.names.index(name)]
    factor = 1.0
    for call in seen:  # the first one may be 0, which decides nothing
        now = Arguments(call.kwargs)
        t = call.timesteps[call.identity.call]
        if t != 0:
            factor = float(now.example[now.names.index(name)].flatten().max()) / t
            break
    return {
        "name": name,
        "factor": round(factor, 9),
        "shape": list(given.shape),
        "dtype": _dtype(given.dtype),
    }


def write_prompts(path, prompts, passes=None):
    """[(text, calls of a step)] -> a file of what the transformer is given besides latent and time:
    "0.cond.encoder_hidden_states" ..., and the texts as metadata. `passes`: their names."""
    from safetensors.torch import save_file

    tensors = {}
    for k, (_, calls) in enumerate(prompts):
        for i, call in enumerate(calls):
            arguments = Arguments(call.kwargs)
            changing = arguments.under(LATENT_NAMES) + arguments.under(TIME_NAMES)
            name = call.identity.name or f"pass{call.identity.ordinal}"
            name = passes[i] if passes else name
            for argument, tensor in zip(arguments.names, arguments.example, strict=True):
                if argument not in changing:
                    tensors[f"{k}.{name}.{argument}"] = tensor.cpu().clone(
                        memory_format=torch.contiguous_format
                    )
    texts = json.dumps([text for text, _ in prompts], ensure_ascii=False)
    metadata = {"format": "teacache-bundle-prompts", "version": "1", "prompts": texts}
    save_file(tensors, path, metadata)


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
    parser.add_argument(
        "--prompts", help="File of prompts, one per line, to encode (default: --prompt)"
    )
    parser.add_argument("--fps", type=float, default=16, help="Of videos (default: 16)")
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
        prompts = None
        if options.prompts:
            texts = Path(options.prompts).read_text(encoding="utf-8").splitlines()
            prompts = {text: {"prompt": text} for text in texts if text.strip()}
        export_pipeline(
            pipe,
            options.out,
            arguments,
            prompts=prompts,
            fps=options.fps,
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
