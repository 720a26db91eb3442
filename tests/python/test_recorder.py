"""The recorder sees what hand-written hooks see, in any pipeline; what it cannot see it refuses."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import models as M
import pytest
import torch
from models import D
from teacache import TeaCacheError, TraceRecorder

MEASURE = ("res", "out", "first")


def read(path):
    lines = [json.loads(line) for line in open(path, encoding="utf-8")]
    return lines[0], lines[1:]


@torch.no_grad()
def run_model(model, shape, arguments, calls=3):
    """Calls as a sampler would make them."""
    return [
        M.output_of(
            model, arguments(M.random(*shape, seed=10 + i), torch.tensor([900.0 - 200 * i]))
        )
        for i in range(calls)
    ]


def check_rows(rows, tensors):
    """Rows of one branch against the reference sums of the tensors of its calls."""
    for call, row in enumerate(rows):
        assert row["call"] == call
        for field, values in tensors.items():
            if call == 0:
                assert field not in row
                continue
            expected = M.sums(values[call], values[call - 1])
            assert expected["diff_l1"] > 0
            assert row[field]["n"] == expected["n"]
            for name in ("diff_l1", "prev_l1"):
                assert row[field][name] == pytest.approx(expected[name], rel=1e-6), (call, field)


def test_the_revision_of_a_model_from_a_hub_is_recorded(tmp_path):
    model, shape, arguments = M.make("Wan 2.1")
    model.register_to_config(_name_or_path="/cache/models--a--b/snapshots/0123abc/transformer")
    path = tmp_path / "trace.jsonl"
    with TraceRecorder(model, path) as recorder, recorder.run("a cat"):
        run_model(model, shape, arguments)
    assert read(path)[0]["revision"] == "0123abc"


@pytest.mark.parametrize("name", M.MODELS)
def test_every_class_is_recorded_as_by_hand(name, tmp_path):
    model, shape, arguments = M.make(name)
    plain = run_model(model, shape, arguments)
    truth = M.Truth(model, M.MODELS[name][1])
    run_model(model, shape, arguments)
    truth.remove()
    path = tmp_path / "trace.jsonl"
    with TraceRecorder(model, path, measure=MEASURE) as recorder, recorder.run("a cat", 3):
        recorded = run_model(model, shape, arguments)
    assert all(torch.equal(a, b) for a, b in zip(plain, recorded))
    header, rows = read(path)
    assert (header["calls"], header["steps"], header["modulated"]) == (3, 3, "input")
    assert header["model"] == type(model).__name__ and header["dtype"] == "float32"
    assert [(r["prompt"], r["seed"], r["branch"]) for r in rows] == [("a cat", 3, "batched")] * 3
    check_rows(rows, truth.tensors())
    assert all(r["ms_blocks"] > 0 and r["ms_embed"] > 0 and r["ms_head"] > 0 for r in rows)
    # Nothing of the recorder stays.
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_low_precision_is_recorded_in_the_dtype_of_the_blocks(tmp_path):
    """Wan's head casts the hidden states to float32 first."""
    model, shape, arguments = M.make("Wan 2.1")
    model = model.to(torch.bfloat16)

    def low(x, t):
        return {
            k: v.bfloat16() if v.is_floating_point() and k != "timestep" else v
            for k, v in arguments(x, t).items()
        }

    truth = M.Truth(model, M.MODELS["Wan 2.1"][1])
    run_model(model, shape, low)
    truth.remove()
    with TraceRecorder(model, tmp_path / "t.jsonl") as recorder, recorder.run("a"):
        run_model(model, shape, low)
    header, rows = read(tmp_path / "t.jsonl")
    assert header["dtype"] == "bfloat16"
    tensors = truth.tensors()
    del tensors["first"]
    check_rows(rows, tensors)


def test_passes_of_guidance_are_branches(tmp_path):
    pipe, arguments = M.wan_pipeline()
    plain = M.generate(pipe, arguments)
    truth = M.Truth(pipe.transformer, M.MODELS["Wan 2.1"][1])
    M.generate(pipe, arguments)
    truth.remove()
    with TraceRecorder(pipe, tmp_path / "t.jsonl", measure=MEASURE, guidance=5.0) as recorder:
        with recorder.run("a cat", 0):
            recorded = M.generate(pipe, arguments)
        with recorder.run("a cat", 1):
            M.generate(pipe, arguments, seed=1)
    assert torch.equal(plain, recorded)
    header, rows = read(tmp_path / "t.jsonl")
    assert (header["steps"], header["calls"], header["guidance"]) == (6, 6, 5.0)
    assert header["scheduler"] == "UniPCMultistepScheduler"
    assert len(rows) == 24
    for place, branch in enumerate(("cond", "uncond")):
        own = [r for r in rows if r["seed"] == 0 and r["branch"] == branch]
        check_rows(own, {k: v[place::2] for k, v in truth.tensors().items()})
        assert [r["step"] for r in own] == list(range(6))
        assert [r["timestep"] for r in own] == [t.item() for t in pipe.scheduler.timesteps]


def test_modulated_input_of_wan_is_the_modulated_norm(tmp_path):
    """By the formula, not by a hook on attention."""
    model, shape, arguments = M.make("Wan 2.1")
    seen = []

    def formula(block, args):
        h, _, temb, _ = args
        shift, scale, *_ = (block.scale_shift_table + temb.float()).chunk(6, dim=1)
        seen.append(block.norm1(h.float()) * (1 + scale) + shift)

    handle = model.blocks[0].register_forward_pre_hook(formula)
    run_model(model, shape, arguments)
    handle.remove()
    with TraceRecorder(model, tmp_path / "t.jsonl") as recorder, recorder.run("a"):
        run_model(model, shape, arguments)
    check_rows(read(tmp_path / "t.jsonl")[1], {"mod": seen})


def test_experts_share_the_numbering(tmp_path):
    pipe, arguments = M.wan_pipeline(experts=2)
    with TraceRecorder(pipe, tmp_path / "t.jsonl") as recorder, recorder.run("a"):
        M.generate(pipe, arguments)
    _, rows = read(tmp_path / "t.jsonl")
    cond = [r for r in rows if r["branch"] == "cond"]
    assert [r["call"] for r in cond] == list(range(6))
    experts = [r["expert"] for r in cond]
    first_low = experts.index("low")
    assert experts == ["high"] * first_low + ["low"] * (6 - first_low) and 1 < first_low < 5
    # An expert's first call has no predecessor of the same network.
    assert [r["call"] for r in cond if "mod" not in r] == [0, first_low]


def test_batched_guidance_is_one_call_or_its_halves(tmp_path):
    pipe, arguments = M.cogvideox_pipeline()
    for split, name in ((False, "whole"), (True, "halves")):
        with TraceRecorder(pipe, tmp_path / name, split_guidance=split) as recorder:
            with recorder.run("a"):
                M.generate(pipe, arguments)
    _, whole = read(tmp_path / "whole")
    _, halves = read(tmp_path / "halves")
    assert {r["branch"] for r in whole} == {"batched"} and len(halves) == 2 * len(whole)
    for row in whole:
        parts = [r for r in halves if r["call"] == row["call"]]
        assert [r["branch"] for r in parts] == ["uncond", "cond"]
        for field in ("mod", "res", "out") if row["call"] else ():
            # The modulated input has not seen the text.
            assert (parts[0][field] == parts[1][field]) == (field == "mod")
            for name in ("diff_l1", "prev_l1", "n"):
                assert sum(p[field][name] for p in parts) == pytest.approx(
                    row[field][name], rel=1e-9
                )


def test_samples_of_a_batch_have_rows_of_their_own(tmp_path):
    model, shape, arguments = M.make("Wan 2.1")
    with TraceRecorder(model, tmp_path / "one.jsonl") as recorder, recorder.run("whole"):
        run_model(model, (2, *shape[1:]), arguments)
    with TraceRecorder(model, tmp_path / "two.jsonl") as recorder:
        with recorder.run(["a cat", "a dog"], seed=7):
            run_model(model, (2, *shape[1:]), arguments)
    _, whole = read(tmp_path / "one.jsonl")
    _, rows = read(tmp_path / "two.jsonl")
    assert [(r["prompt"], r["seed"], r.get("sample")) for r in rows[:2]] == [
        ("a cat", 7, None),
        ("a dog", 7, 1),
    ]
    assert rows[2]["mod"]["diff_l1"] + rows[3]["mod"]["diff_l1"] == pytest.approx(
        whole[1]["mod"]["diff_l1"], rel=1e-9
    )


def test_time_embedding_and_input_in_one_run(tmp_path):
    pipe, arguments = M.wan_pipeline()
    embeddings = []
    handle = pipe.transformer.condition_embedder.time_embedder.register_forward_hook(
        lambda m, a, out: embeddings.append(out.clone())
    )
    M.generate(pipe, arguments)
    handle.remove()
    files = {"input": tmp_path / "input.jsonl", "time": tmp_path / "time.jsonl"}
    with TraceRecorder(pipe, files) as recorder, recorder.run("a"):
        M.generate(pipe, arguments)
    header, rows = read(files["time"])
    assert header["modulated"] == "time" and read(files["input"])[0]["modulated"] == "input"
    check_rows([r for r in rows if r["branch"] == "uncond"], {"mod": embeddings[1::2]})
    # Of the time alone: the same in both branches.
    assert rows[2]["mod"] == rows[3]["mod"] and rows[2]["res"] != rows[3]["res"]


def test_a_named_module_is_tapped(tmp_path):
    model, shape, arguments = M.make("Mochi")
    seen = []
    handle = model.time_embed.register_forward_hook(lambda m, a, out: seen.append(out[0].clone()))
    run_model(model, shape, arguments)
    handle.remove()
    with TraceRecorder(model, tmp_path / "t", tap="time_embed") as recorder, recorder.run("a"):
        run_model(model, shape, arguments)
    header, rows = read(tmp_path / "t")
    assert header["modulated"] == "time_embed"
    check_rows(rows, {"mod": seen})
    with pytest.raises(TeaCacheError, match="must be named"):
        TraceRecorder(model, tmp_path / "t", tap="time")
    with pytest.raises(TeaCacheError, match='module\'s name but is "nothing"'):
        TraceRecorder(model, tmp_path / "t", tap="nothing")


def test_calls_end_where_the_scheduler_steps(tmp_path):
    """Heun calls twice per step, at repeated timesteps."""
    pipe, arguments = M.wan_pipeline(D.FlowMatchHeunDiscreteScheduler())
    with TraceRecorder(pipe, tmp_path / "t") as recorder, recorder.run("a"):
        M.generate(pipe, arguments)
    header, rows = read(tmp_path / "t")
    assert (header["steps"], header["calls"]) == (6, 11)
    cond = [r for r in rows if r["branch"] == "cond"]
    assert [r["call"] for r in cond] == list(range(11))
    assert [r["step"] for r in cond] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5]
    assert not hasattr(D.FlowMatchHeunDiscreteScheduler.step, "__wrapped__")  # as it was before


def test_a_pass_alone_is_batched_and_others_keep_their_names(tmp_path):
    pipe, arguments = M.flux_pipeline()
    with TraceRecorder(pipe, tmp_path / "one") as recorder, recorder.run("a"):
        M.generate(pipe, arguments)
    assert {r["branch"] for r in read(tmp_path / "one")[1]} == {"batched"}

    model, shape, arguments = M.make("Wan 2.1")
    with TraceRecorder(model, tmp_path / "three") as recorder, recorder.run("a"), torch.no_grad():
        for i in range(2):
            for name in ("cond", "uncond", "uncond_stg"):
                with model.cache_context(name):
                    model(**arguments(M.random(*shape, seed=i), torch.tensor([900.0 - i])))
    assert [r["branch"] for r in read(tmp_path / "three")[1]] == [
        "cond",
        "uncond",
        "uncond_stg",
    ] * 2


def test_a_video_in_pieces_has_segments(tmp_path):
    model, shape, arguments = M.make("Wan 2.1")
    scheduler = D.FlowMatchEulerDiscreteScheduler()
    with TraceRecorder(model, tmp_path / "t", scheduler=scheduler) as recorder, recorder.run("a"):
        for piece in range(2):
            scheduler.set_timesteps(3)
            x = M.random(*shape, seed=piece)
            for t in scheduler.timesteps:
                with torch.no_grad():
                    out = M.output_of(model, arguments(x, t[None]))
                x = scheduler.step(out, t, x).prev_sample
    header, rows = read(tmp_path / "t")
    assert header["calls"] == 3
    assert [(r.get("segment", 0), r["call"], "mod" in r) for r in rows] == [
        (0, 0, False),
        (0, 1, True),
        (0, 2, True),
        (1, 0, False),
        (1, 1, True),
        (1, 2, True),
    ]


def test_tensors_that_the_model_overwrites_are_copied(tmp_path):
    class Attention(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.proj = torch.nn.Linear(4, 4)

        def forward(self, x):
            return self.proj(x)

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.attn = torch.nn.LayerNorm(4), Attention()

        def forward(self, x):
            y = self.norm(x)
            x += self.attn(y)
            y.zero_()
            return x

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = torch.nn.ModuleList(Block() for _ in range(2))
            self.head = torch.nn.Linear(4, 4)

        def forward(self, x, timestep):
            x = x + timestep
            for block in self.blocks:
                x = block(x)
            out = self.head(x)
            x.zero_()
            return out

    torch.manual_seed(0)
    model = Model()
    calls = [(M.random(2, 3, 4, seed=i), 0.1 * i) for i in range(2)]
    expected = {"mod": [], "res": [], "out": []}
    with torch.no_grad():
        for x, t in calls:
            h0 = x + t
            expected["mod"].append(model.blocks[0].norm(h0))
            h = h0
            for block in model.blocks:
                h = h + block.attn(block.norm(h))
            expected["res"].append(h - h0)
            expected["out"].append(h)
        with TraceRecorder(model, tmp_path / "t") as recorder, recorder.run("a"):
            for x, t in calls:
                model(x.clone(), timestep=t)
    check_rows(read(tmp_path / "t")[1], expected)


def test_lookback(tmp_path):
    model, shape, arguments = M.make("Wan 2.1")
    truth = M.Truth(model, M.MODELS["Wan 2.1"][1])
    run_model(model, shape, arguments, calls=4)
    truth.remove()
    with TraceRecorder(model, tmp_path / "t", lookback=3) as recorder, recorder.run("a"):
        run_model(model, shape, arguments, calls=4)
    residuals = truth.tensors()["res"]
    _, rows = read(tmp_path / "t")
    assert [len(r.get("lookback", [])) for r in rows] == [0, 0, 1, 2]
    for back in (2, 3):
        expected = M.sums(residuals[3], residuals[3 - back])
        assert rows[3]["lookback"][back - 2]["diff_l1"] == pytest.approx(
            expected["diff_l1"], rel=1e-6
        )


def test_ranks_of_a_sequence_parallel_run_write_shards(tmp_path):
    folder = pathlib.Path(__file__).parent
    path = os.pathsep.join([str(folder), str(folder.parents[1] / "runners" / "python")])
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = str(s.getsockname()[1])
    subprocess.run(
        [sys.executable, folder / "two_ranks.py", tmp_path],
        check=True,
        timeout=540,
        env={**os.environ, "PYTHONPATH": path, "MASTER_PORT": port},
    )
    header, whole = read(tmp_path / "one")
    assert "shards" not in header
    shards = [read(tmp_path / f"two.{rank}") for rank in range(2)]
    assert [(h["shard"], h["shards"]) for h, _ in shards] == [(0, 2), (1, 2)]
    for field in ("mod", "res", "out"):
        for name in ("diff_l1", "prev_l1", "n"):
            total = sum(rows[1][field][name] for _, rows in shards)
            assert total == pytest.approx(whole[1][field][name], rel=1e-5)


class TestFile:
    def record(self, path, *runs, **more):
        model, shape, arguments = M.make("Wan 2.1")
        with TraceRecorder(model, path, **more) as recorder:
            for prompt in runs:
                if not recorder.has(prompt):
                    with recorder.run(prompt):
                        run_model(model, shape, arguments)

    def test_goes_on_after_an_interruption(self, tmp_path):
        self.record(tmp_path / "whole", "a", "b", "c")
        whole = (tmp_path / "whole").read_bytes()
        (tmp_path / "cut").write_bytes(whole[: whole.index(b'"b"') + 400])
        self.record(tmp_path / "cut", "a", "b", "c")

        def plain(path):
            return [
                {k: v for k, v in row.items() if not k.startswith("ms_")} for row in read(path)[1]
            ]

        assert plain(tmp_path / "cut") == plain(tmp_path / "whole")

    def test_refuses_another_setting_and_another_file(self, tmp_path):
        self.record(tmp_path / "t", "a", steps=3)
        with pytest.raises(TeaCacheError, match='"guidance" must be None .* but is 2'):
            self.record(tmp_path / "t", "b", guidance=2)
        (tmp_path / "x").write_text("not a trace\n")
        with pytest.raises(TeaCacheError, match="must be a trace"):
            self.record(tmp_path / "x", "a")

    def test_a_run_that_failed_leaves_nothing(self, tmp_path):
        model, shape, arguments = M.make("Wan 2.1")
        with TraceRecorder(model, tmp_path / "t") as recorder:
            with pytest.raises(ZeroDivisionError), recorder.run("a"):
                run_model(model, shape, arguments)
                raise ZeroDivisionError
            with recorder.run("b"):
                run_model(model, shape, arguments)
        assert {r["prompt"] for r in read(tmp_path / "t")[1]} == {"b"}


class TestRefusals:
    def setup_method(self):
        self.model, self.shape, self.arguments = M.make("Wan 2.1")

    def run(self, recorder):
        with recorder.run("a"):
            run_model(self.model, self.shape, self.arguments)

    @pytest.mark.parametrize(
        "compile",
        [
            lambda m: torch.compile(m),
            lambda m: m.compile() or m,
            lambda m: m.compile_repeated_blocks() or m,
        ],
    )
    def test_compiled(self, compile, tmp_path):
        with pytest.raises(TeaCacheError, match="must not be compiled"):
            TraceRecorder(compile(self.model), tmp_path / "t")

    def test_compiled_after_the_recorder_began(self, tmp_path):
        with TraceRecorder(self.model, tmp_path / "t") as recorder:
            with recorder.run("a"):
                run_model(self.model, self.shape, self.arguments)
            for block in self.model.blocks:
                block._compiled_call_impl = block.forward  # as compiled code: no hook is called
            with pytest.raises(TeaCacheError, match="saw no"):
                self.run(recorder)

    def test_cache_enabled(self, tmp_path):
        self.model.enable_cache(D.FirstBlockCacheConfig(threshold=0.1))
        with pytest.raises(TeaCacheError, match="must have no cache enabled"):
            TraceRecorder(self.model, tmp_path / "t")

    def test_cache_hooked_by_hand(self, tmp_path):
        D.hooks.apply_first_block_cache(self.model, D.FirstBlockCacheConfig(threshold=0.1))
        with pytest.raises(TeaCacheError, match='has the hook "fbc_'):
            TraceRecorder(self.model, tmp_path / "t")

    def test_no_blocks(self, tmp_path):
        model = torch.nn.Sequential(torch.nn.Linear(2, 2))
        with TraceRecorder(model, tmp_path / "t") as recorder:
            with (
                pytest.raises(TeaCacheError, match="must have a list of blocks"),
                recorder.run("a"),
            ):
                model(torch.zeros(1, 2))

    def test_call_outside_of_a_run_and_run_without_calls(self, tmp_path):
        with TraceRecorder(self.model, tmp_path / "t") as recorder:
            with pytest.raises(TeaCacheError, match="calls must be inside"):
                run_model(self.model, self.shape, self.arguments)
            with pytest.raises(TeaCacheError, match="must call the transformer"), recorder.run("a"):
                pass

    def test_other_number_of_calls(self, tmp_path):
        with TraceRecorder(self.model, tmp_path / "t") as recorder:
            self.run(recorder)
            with pytest.raises(TeaCacheError, match="must have 3 calls"), recorder.run("b"):
                run_model(self.model, self.shape, self.arguments, calls=4)

    def test_numbers_that_are_not_finite(self, tmp_path):
        with TraceRecorder(self.model, tmp_path / "t") as recorder:
            self.model.blocks[0].scale_shift_table.fill_(float("nan"))
            with pytest.raises(TeaCacheError, match="must be finite"):
                self.run(recorder)

    def test_recorder_in_a_recorder(self, tmp_path):
        with TraceRecorder(self.model, tmp_path / "t"):
            with pytest.raises(TeaCacheError, match="already"):
                TraceRecorder(self.model, tmp_path / "u")

    def test_unknown_argument(self, tmp_path):
        with pytest.raises(TeaCacheError, match='"guidence"'):
            TraceRecorder(self.model, tmp_path / "t", guidence=3)


def test_fit_coeffs_reads_it(tmp_path, program):
    fit_coeffs = program("fit-coeffs")
    pipe, arguments = M.wan_pipeline()
    with TraceRecorder(
        pipe, tmp_path / "t.jsonl", guidance=5.0, width=32, height=32, frames=9
    ) as recorder:
        for seed in range(3):
            with recorder.run("a cat \u00e9", seed):
                M.generate(pipe, {**arguments, "num_inference_steps": 10}, seed)
    result = subprocess.run(
        [fit_coeffs, tmp_path / "t.jsonl", "--degree", "1", "--json", "-"],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "unknown field" not in result.stderr
    assert json.loads(result.stdout)["format"] == "teacache-fit"
