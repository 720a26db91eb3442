"""A bundle is the model: part by part, from its files alone, with and without its blocks."""

import hashlib
import json
import logging

import models as M
import pytest
import torch
from bundles import Bundle
from models import D
from teacache import TeaCacheError, apply_teacache, export
from teacache.split import PARTS, Arguments, run, split

pytest.importorskip("safetensors", reason="safetensors is not installed")
# What their forward does with values of the text mask cannot be exported.
NOT_EXPORTED = ("HunyuanVideo 1.5", "Lumina 2")
TIMES = (500.0, 321.0, 800.0)


@pytest.fixture(autouse=True)
def quiet():
    """torch.export prints the graph where it fails."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def calls_of(shape, arguments):
    return [
        arguments(M.random(*shape, seed=30 + i), torch.tensor([t])) for i, t in enumerate(TIMES)
    ]


def tensors(kwargs):
    a = Arguments(kwargs)
    return {n: t.contiguous() for n, t in zip(a.names, a.example, strict=True)}


def check_close(got, expected, tolerance=1e-4):
    assert (got - expected).abs().max() <= tolerance * expected.abs().max()


@pytest.mark.parametrize("name", [n for n in M.MODELS if n not in NOT_EXPORTED])
def test_every_class_is_its_bundle(name, tmp_path):
    model, shape, arguments = M.make(name)
    calls = calls_of(shape, arguments)
    manifest = export.export_transformer(model, tmp_path, calls)
    assert list(manifest["parts"]) == list(PARTS)
    assert {p["backend"] for p in manifest["parts"].values()} == {"torchscript"}
    assert manifest["verified"]["error"]["whole"] <= 1e-4
    bundle = Bundle(tmp_path, json.loads(json.dumps(manifest)))
    with torch.no_grad():
        for kwargs in calls[1:]:
            check_close(bundle.run(tensors(kwargs))["output"], M.output_of(model, kwargs))

    # Computed, skipped, computed: as apply_teacache does it.
    path = tmp_path / "coefficients.json"
    path.write_text(
        json.dumps(
            {
                "format": "teacache-coefficients",
                "version": 1,
                "coefficients": [0.0],
                "provenance": {"modulated": "input"},
            }
        )
    )
    with apply_teacache(model, path, threshold=1, calls=3) as applied, torch.no_grad():
        outputs = [M.output_of(model, kwargs) for kwargs in calls]
        assert applied.schedules() == {(0, "", "cond"): "CSC"}
        x = applied.log[1].x
    first = bundle.run(tensors(calls[0]))
    second = bundle.run(tensors(calls[1]), skip=first)
    check_close(second["output"], outputs[1])
    change = M.sums(second["modulated"], first["modulated"])
    assert change["diff_l1"] / change["prev_l1"] == pytest.approx(x, rel=1e-5)


@pytest.mark.parametrize("name", NOT_EXPORTED)
def test_what_cannot_be_exported_says_why(name, tmp_path):
    model, shape, arguments = M.make(name)
    with pytest.raises(
        TeaCacheError, match="must not depend on values of tensors but torch.export"
    ):
        export.export_transformer(model, tmp_path, calls_of(shape, arguments))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@pytest.mark.parametrize("name", ["Wan 2.1", "Latte"])
def test_low_precision_is_exact(name):
    """The cuts lie in the blocks' dtype, though Wan's head begins in float32."""
    model, shape, arguments = M.make(name)
    model = model.to(torch.bfloat16)

    def low(x, t):
        return {
            k: v.bfloat16()
            if torch.is_tensor(v) and v.is_floating_point() and k != "timestep"
            else v
            for k, v in arguments(x, t).items()
        }

    first, second, _ = calls_of(shape, low)
    parts = split(model, first)
    for role in ("h0", "first", "h1"):
        assert parts.tensors[role].dtype == torch.bfloat16

    values = run(parts, parts.arguments.tensors(second))
    with torch.no_grad():
        assert torch.equal(values["output"], M.output_of(model, second))


def test_time_embedding_as_the_signal(tmp_path):
    model, shape, arguments = M.make("Wan 2.1")
    seen = []
    calls = calls_of(shape, arguments)
    parts = split(model, calls[0], tap="time")
    model.condition_embedder.time_embedder.register_forward_hook(lambda m, a, o: seen.append(o))
    with torch.no_grad():
        model(**calls[1])

        values = run(parts, parts.arguments.tensors(calls[1]))
    assert torch.equal(values["modulated"], seen[-1])


class TestConstants:
    def test_published_files_serve_and_the_rest_is_written(self, tmp_path):
        model, shape, arguments = M.make("Wan 2.1")
        model.save_pretrained(tmp_path / "published")
        model.blocks[1].ffn.net[2].bias.mul_(2)  # another value than the published one
        manifest = export.export_transformer(
            model, tmp_path / "bundle", calls_of(shape, arguments), weights=tmp_path / "published"
        )
        (weights,) = manifest["weights"]
        file = tmp_path / "bundle" / weights["file"]
        assert file.resolve().parent == tmp_path / "published"
        assert weights["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        from safetensors import safe_open

        with safe_open(tmp_path / "bundle" / "constants.safetensors", "pt") as f:
            written = set(f.keys())
        assert "blocks.1.ffn.net.2.bias" in written and "rope.freqs_cos" in written
        assert not any("attn" in key for key in written)
        bundle = Bundle(tmp_path / "bundle", manifest)
        kwargs = calls_of(shape, arguments)[2]
        with torch.no_grad():
            check_close(bundle.run(tensors(kwargs))["output"], M.output_of(model, kwargs))

    def test_parts_hold_no_weights(self, tmp_path):
        model, shape, arguments = M.make("Wan 2.1")
        manifest = export.export_transformer(model, tmp_path, calls_of(shape, arguments))
        for part in manifest["parts"].values():
            module = torch.jit.load(str(tmp_path / part["file"]))
            assert not list(module.parameters()) and not list(module.buffers())


class TestRefusals:
    def setup_method(self):
        self.model, self.shape, self.arguments = M.make("Wan 2.1")
        self.calls = calls_of(self.shape, self.arguments)

    def test_a_compiled_part_that_is_wrong(self, tmp_path, monkeypatch):
        def wrong(part, constants, inputs, path):
            open(path, "w").close()
            return lambda *inputs: tuple(o * 1.001 for o in part.graph(*inputs))

        monkeypatch.setitem(export._COMPILE, "torchscript", wrong)
        with pytest.raises(TeaCacheError, match='part "prepare", .* must equal the model'):
            export.export_transformer(self.model, tmp_path, self.calls)

    def test_a_part_that_does_not_compile(self, tmp_path, monkeypatch):
        def fails(*_):
            raise RuntimeError("no such operator\nand more")

        monkeypatch.setitem(export._COMPILE, "torchscript", fails)
        with pytest.raises(TeaCacheError, match="must compile but does not: torchscript: no such"):
            export.export_transformer(self.model, tmp_path, self.calls)

    def test_calls(self, tmp_path):
        with pytest.raises(TeaCacheError, match="calls must be at least 2"):
            export.export_transformer(self.model, tmp_path, self.calls[:1])
        longer = {**self.calls[1], "encoder_hidden_states": M.random(1, M.TEXT + 1, 16)}
        with pytest.raises(TeaCacheError, match='"encoder_hidden_states" must be'):
            export.export_transformer(self.model, tmp_path, [self.calls[0], longer])

    def test_command_line(self, capsys, tmp_path):
        assert export.main(["--pipeline", str(tmp_path), "--size", "8", "--out", "x"]) == 1
        assert "--size: must be WIDTHxHEIGHT" in capsys.readouterr().err
        assert export.main(["--pipeline", str(tmp_path / "no"), "--size", "8x8", "--out", "x"]) == 1
        assert capsys.readouterr().err.startswith("teacache.export: ")


class TestPipelines:
    def test_wan(self, tmp_path):
        """The sampler's loop over the bundle gives the pipeline's latents."""
        scheduler = D.FlowMatchEulerDiscreteScheduler(shift=3.0)
        pipe, arguments = M.wan_pipeline(scheduler)
        arguments["num_inference_steps"] = 4
        latents = M.random(1, 16, 3, 4, 4, seed=5)
        expected = M.generate(pipe, {**arguments, "latents": latents.clone()})
        export.export_pipeline(pipe, tmp_path, arguments)
        manifest = json.loads((tmp_path / "bundle.json").read_text())
        assert manifest["guidance"] == {
            "formula": "cfg",
            "mode": "calls",
            "passes": ["cond", "uncond"],
            "batch": 1,
            "scale": 5.0,
        }
        assert manifest["timestep"]["factor"] == 1 and manifest["scheduler"]["config"]["shift"] == 3
        from safetensors.torch import load_file

        prompts = load_file(tmp_path / "prompts.safetensors")
        assert set(prompts) == {f"0.{p}.encoder_hidden_states" for p in ("cond", "uncond")}
        bundle = Bundle(tmp_path)
        loop = D.FlowMatchEulerDiscreteScheduler(shift=3.0)
        loop.set_timesteps(4)
        for t in loop.timesteps:
            cond, uncond = (
                bundle.run(
                    {
                        "hidden_states": latents,
                        "timestep": t.expand(1),
                        "encoder_hidden_states": prompts[f"0.{p}.encoder_hidden_states"],
                    }
                )["output"]
                for p in ("cond", "uncond")
            )
            latents = loop.step(uncond + 5.0 * (cond - uncond), t, latents).prev_sample
        check_close(latents, expected)

    def test_two_experts(self, tmp_path):
        pipe, arguments = M.wan_pipeline(experts=2)
        manifest = export.export_pipeline(pipe, tmp_path, arguments)
        assert set(manifest["experts"]) == {"high", "low"} and manifest["boundary_ratio"] == 0.85
        for expert, entry in manifest["experts"].items():
            assert (tmp_path / expert / entry["parts"]["blocks"]["file"]).exists()

    @pytest.mark.parametrize(
        "make, mode, factor",
        [(M.cogvideox_pipeline, "batched", 1.0), (M.flux_pipeline, "embedded", 0.001)],
    )
    def test_guidance_and_time(self, make, mode, factor, tmp_path):
        pipe, arguments = make()
        manifest = export.export_pipeline(pipe, tmp_path, arguments)
        assert manifest["guidance"]["mode"] == mode
        assert manifest["timestep"]["factor"] == pytest.approx(factor)


@pytest.mark.long
def test_aot_inductor(tmp_path):
    """Wan alone: compiling takes a minute and more."""
    model, shape, arguments = M.make("Wan 2.1")
    calls = calls_of(shape, arguments)
    manifest = export.export_transformer(model, tmp_path, calls, backend="aoti")
    assert {p["backend"] for p in manifest["parts"].values()} == {"aoti"}
    bundle = Bundle(tmp_path, manifest)
    with torch.no_grad():
        check_close(bundle.run(tensors(calls[2]))["output"], M.output_of(model, calls[2]))
