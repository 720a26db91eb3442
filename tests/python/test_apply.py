"""apply_teacache skips the blocks and nothing else, and decides as its log says."""

import json
import subprocess

import models as M
import pytest
import torch
from models import D
from teacache import TeaCacheError, TraceRecorder, apply_teacache
from teacache.rules import SkipRule, find_rule

TIMESTEPS = [900.0, 820.0, 640.0, 630.0, 350.0, 100.0]


@pytest.fixture
def coefficients(tmp_path):
    """Writes a file of f(x) = x, or of others."""

    def write(numbers=(1.0, 0.0), modulated="input", name="coefficients.json", **more):
        path = tmp_path / name
        path.write_text(
            json.dumps(
                {
                    "format": "teacache-coefficients",
                    "version": 1,
                    "coefficients": list(numbers),
                    "provenance": {"modulated": modulated} if modulated else {},
                    **more,
                }
            )
        )
        return path

    return write


@torch.no_grad()
def run_model(model, shape, arguments):
    return [
        M.output_of(model, arguments(M.random(*shape, seed=20 + i), torch.tensor([t])))
        for i, t in enumerate(TIMESTEPS)
    ]


class ByHand:
    """The skipping by hand-written hooks: all blocks run, then the head is given h0 + the residual
    of the last computed call where `schedule` says S."""

    def __init__(self, model, sites, schedule):
        self.schedule, self.call, self.residual = schedule, -1, None
        self.handles = []
        self._hook(model, sites.h0, self.at_h0)
        self._hook(model, sites.h1, self.at_h1)

    def at_h0(self, h):
        self.call += 1
        self.h0 = h.clone()

    def at_h1(self, h):
        if self.schedule[self.call] == "S":
            return self.h0 + self.residual
        self.residual = h - self.h0
        return None

    def _hook(self, model, site, call):
        module = model.get_submodule(site.module)

        def swapped(values, place, new):
            return type(values)([new if i == place else v for i, v in enumerate(values)])

        def hook(m, args, out):
            new = call(out if site.output is None else out[site.output])
            return new if new is None or site.output is None else swapped(out, site.output, new)

        def pre_hook(m, args, kwargs):
            by_name = isinstance(site.argument, str) or len(args) <= site.argument
            place = site.argument if isinstance(site.argument, str) else "hidden_states"
            new = call(kwargs[place] if by_name else args[site.argument])
            if new is None:
                return None
            if by_name:
                return args, {**kwargs, place: new}
            return swapped(args, site.argument, new), kwargs

        if site.argument is None:
            self.handles.append(module.register_forward_hook(hook))
        else:
            self.handles.append(module.register_forward_pre_hook(pre_hook, with_kwargs=True))


@pytest.mark.parametrize("name", M.MODELS)
def test_every_class_skips_its_blocks_alone(name, coefficients):
    model, shape, arguments = M.make(name)
    plain = run_model(model, shape, arguments)
    with apply_teacache(model, coefficients(), threshold=0, calls=6) as applied:
        assert all(
            torch.equal(a, b)
            for a, b in zip(plain, run_model(model, shape, arguments), strict=True)
        )
        assert applied.schedules() == {(0, "", "cond"): "CCCCCC"}
        changes = [entry.x for entry in applied.log[1:5]]
    # A threshold at which some calls are skipped and some are not.
    threshold = sum(sorted(changes)[:2]) + 1e-6
    runs = []
    for i, block in enumerate(M.blocks_of(model)):
        block.register_forward_hook(lambda *_: None)
        attention = next(m for n, m in block.named_modules() if "attn" in n or "attention" in n)
        if i > 0:
            attention.register_forward_hook(lambda *_: runs.append(1))
    with apply_teacache(model, coefficients(), threshold=threshold, calls=6) as applied:
        outputs = run_model(model, shape, arguments)
        schedule = applied.schedules()[0, "", "cond"]
    assert schedule[0] == schedule[-1] == "C" and "S" in schedule
    skipped = schedule.count("S")
    blocks = len(M.blocks_of(model)) - 1
    # The first forward runs twice, to locate the blocks.
    assert len(runs) == (6 + 1 - skipped) * blocks
    by_hand = ByHand(model, M.MODELS[name][1], schedule)
    expected = run_model(model, shape, arguments)
    assert by_hand.call == 5
    assert all(torch.equal(a, b) for a, b in zip(outputs, expected, strict=True))
    assert not torch.equal(outputs[schedule.index("S")], plain[schedule.index("S")])


def test_nothing_stays_after_remove(coefficients):
    pipe, arguments = M.wan_pipeline()
    before = M.generate(pipe, arguments)
    applied = apply_teacache(pipe, coefficients(), threshold=10.0)
    assert not torch.equal(before, M.generate(pipe, arguments))
    applied.remove()
    assert torch.equal(before, M.generate(pipe, arguments))
    assert not any(
        m._forward_hooks or m._forward_pre_hooks or "forward" in m.__dict__
        for m in pipe.transformer.modules()
    )


def test_passes_have_sums_and_residuals_of_their_own(coefficients):
    """Cond and uncond of Wan see the same latent and time, hence the same x, but not the same
    residuals; state starts again with every run."""
    pipe, arguments = M.wan_pipeline()
    with apply_teacache(pipe, coefficients(), threshold=0.9) as applied:
        first = M.generate(pipe, arguments)
        second = M.generate(pipe, arguments)
        schedules = applied.schedules()
    assert torch.equal(first, second)
    assert set(schedules) == {(r, "", b) for r in (0, 1) for b in ("cond", "uncond")}
    assert schedules[0, "", "cond"] == schedules[1, "", "cond"] == schedules[0, "", "uncond"]
    assert "S" in schedules[0, "", "cond"]


@pytest.mark.parametrize("make", [M.cogvideox_pipeline, M.flux_pipeline])
def test_other_pipelines(make, coefficients):
    pipe, arguments = make()
    with apply_teacache(pipe, coefficients(), threshold=10.0) as applied:
        M.generate(pipe, arguments)
    calls = arguments["num_inference_steps"]
    assert list(applied.schedules().values()) == ["C" + "S" * (calls - 2) + "C"]


def test_experts_have_a_first_and_a_last_call_each(coefficients):
    pipe, arguments = M.wan_pipeline(experts=2)
    path = coefficients(
        experts={"high": {"coefficients": [1.0, 0.0]}, "low": {"coefficients": [0.0]}}
    )
    arguments["num_inference_steps"] = 12
    with apply_teacache(pipe, path, threshold=10.0) as applied:
        M.generate(pipe, arguments)
    schedules = applied.schedules()
    high, low = schedules[0, "high", "cond"], schedules[0, "low", "cond"]
    assert len(high) + len(low) == 12 and len(high) > 3
    for schedule in (high, low):
        assert schedule == "C" + "S" * (len(schedule) - 2) + "C"[: len(schedule) - 1]
    with pytest.raises(TeaCacheError, match='a set for the expert "low"'):
        apply_teacache(pipe, coefficients(experts={"high": {"coefficients": [1.0]}}), threshold=1)


def test_time_coefficients_look_at_the_time_embedding(coefficients, tmp_path):
    pipe, arguments = M.wan_pipeline()
    with TraceRecorder(pipe, tmp_path / "t", tap="time") as recorder, recorder.run("a"):
        M.generate(pipe, arguments)
    rows = [json.loads(line) for line in open(tmp_path / "t")][1:]
    with apply_teacache(pipe, coefficients(modulated="time"), threshold=0.9) as applied:
        M.generate(pipe, arguments)
    expected = [r["mod"]["diff_l1"] / r["mod"]["prev_l1"] for r in rows if "mod" in r]
    assert [e.x for e in applied.log if e.x is not None] == pytest.approx(expected, rel=1e-12)
    assert "S" in applied.schedules()[0, "", "cond"]


def test_the_conditional_pass_decides_for_both(coefficients):
    model, shape, arguments = M.make("Wan 2.1")

    def run(order):
        with (
            apply_teacache(
                model, coefficients(), threshold=2.0, engine="videox-fun", calls=9
            ) as applied,
            torch.no_grad(),
        ):
            for i in range(9):
                for name in order:
                    with model.cache_context(name):
                        # What the uncond pass sees changes much more.
                        x = M.random(*shape, seed=i) * (1 + 5 * i * (name == "uncond"))
                        M.output_of(model, arguments(x, torch.tensor([900.0 - 100 * i])))
            return applied.schedules()

    schedules = run(["cond", "uncond"])
    assert schedules[0, "", "cond"] == schedules[0, "", "uncond"]
    assert "S" in schedules[0, "", "cond"]
    with pytest.raises(TeaCacheError, match='"cond" must come first but "uncond" does'):
        run(["uncond", "cond"])


def test_a_change_of_shape_computes(coefficients):
    model, shape, arguments = M.make("Wan 2.1")
    with apply_teacache(model, coefficients(), threshold=100, calls=6) as applied, torch.no_grad():
        for i, size in enumerate((8, 8, 12, 12, 12, 12)):
            x = M.random(1, 4, 3, size, size, seed=i)
            M.output_of(model, arguments(x, torch.tensor([900.0 - i])))
    assert applied.schedules()[0, "", "cond"] == "CSCSSC"


def test_log_replays_to_the_same_decisions(coefficients, tmp_path, program):
    fit_coeffs = program("fit-coeffs")
    pipe, arguments = M.wan_pipeline()
    arguments["num_inference_steps"] = 40
    path = coefficients((2.0, -0.5, 0.1))
    for engine in ("teacache", "sglang", "tensorrt-llm"):
        with apply_teacache(pipe, path, threshold=0.7, engine=engine) as applied:
            for seed in range(2):
                M.generate(pipe, arguments, seed)
            applied.write_log(tmp_path / "log.jsonl")
        result = subprocess.run(
            [
                fit_coeffs,
                "score",
                "--coeffs",
                path,
                "--threshold",
                "0.7",
                "--engine",
                engine,
                "--json",
                "-",
                tmp_path / "log.jsonl",
            ],
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr
        replay = json.loads(result.stdout)["experts"][0]["replay"]["runs"]
        got = {(r["prompt"], r["branch"]): r["schedule"] for r in replay}
        assert got == {
            (f"run {run}", branch): s for (run, _, branch), s in applied.schedules().items()
        }


def test_log_holds_x_decision_and_sum(coefficients):
    pipe, arguments = M.wan_pipeline()
    with apply_teacache(pipe, coefficients((0.5, 0.1)), threshold=0.7) as applied:
        M.generate(pipe, arguments)
    for branch in ("cond", "uncond"):
        rule = SkipRule(find_rule("teacache"), (0.5, 0.1), 0.7)
        entries = [e for e in applied.log if e.branch == branch]
        assert [e.decision for e in entries] == [rule.decide(e.call, 6, e.x) for e in entries]
        assert any(e.decision.accumulated > 0 for e in entries)
        residuals = [e.residual for e in entries]
        assert residuals[0] is None
        for entry, (change, n) in zip(entries[1:], residuals[1:], strict=True):
            diff, prev = change.tolist()
            assert (diff == 0) == (not entry.decision.compute) and prev > 0 and n > 0


class TestRefusals:
    def test_foreign_signal(self, coefficients):
        model = M.make("Wan 2.1")[0]
        path = coefficients(modulated="time", name="time.json")
        with pytest.raises(TeaCacheError, match='signal "input" but were fitted on "time"'):
            apply_teacache(model, path, threshold=1, tap="input", calls=3)
        with pytest.raises(TeaCacheError, match="signal must be known"):
            apply_teacache(model, coefficients(modulated=""), threshold=1, calls=3)
        with pytest.raises(TeaCacheError, match='but is "block output"'):
            apply_teacache(model, coefficients(modulated="block output"), threshold=1, calls=3)
        with pytest.raises(TeaCacheError, match="time embedding must be named"):
            apply_teacache(M.make("Mochi")[0], path, threshold=1, calls=3)

    @pytest.mark.parametrize(
        "change, message",
        [
            ({"version": 2}, "version must be 1"),
            ({"format": "x"}, "must be a file of fit-coeffs"),
            ({"coefficients": []}, "at least one number"),
            ({"tresholds": 1}, '"tresholds"'),
            ({"coefficients": [1, float("nan")]}, "finite numbers"),
            ({"threshold": -1}, "positive"),
            ({"x_range": [2, 1]}, "min, max"),
        ],
    )
    def test_file(self, change, message, coefficients):
        path = coefficients(**{"numbers": change.pop("coefficients", (1.0,)), **change})
        with pytest.raises(TeaCacheError, match=message):
            apply_teacache(M.make("Wan 2.1")[0], path, threshold=1, calls=3)

    def test_missing_file_and_no_json(self, tmp_path):
        model = M.make("Wan 2.1")[0]
        (tmp_path / "x").write_text("{")
        for path, message in ((tmp_path / "x", "must be JSON"), (tmp_path / "y", "readable")):
            with pytest.raises(TeaCacheError, match=message):
                apply_teacache(model, path, threshold=1, calls=3)

    def test_options(self, coefficients):
        model, shape, arguments = M.make("Wan 2.1")
        with pytest.raises(TeaCacheError, match="finite number >= 0 but is -1"):
            apply_teacache(model, coefficients(), threshold=-1, calls=3)
        with pytest.raises(TeaCacheError, match="calls of a run must be known"):
            apply_teacache(model, coefficients(), threshold=1)
        with (
            pytest.raises(TeaCacheError, match="threshold: must be given"),
            apply_teacache(model, coefficients(), calls=3),
        ):
            run_model(model, shape, arguments)

    def test_twice_and_under_a_recorder(self, coefficients, tmp_path):
        pipe, _ = M.wan_pipeline()
        with apply_teacache(pipe, coefficients(), threshold=1):
            with pytest.raises(TeaCacheError, match="already"):
                apply_teacache(pipe, coefficients(), threshold=1)
            with pytest.raises(TeaCacheError, match="already"):
                TraceRecorder(pipe, tmp_path / "t")

    def test_cache_enabled(self, coefficients):
        pipe, _ = M.wan_pipeline()
        pipe.transformer.enable_cache(D.FirstBlockCacheConfig(threshold=0.1))
        with pytest.raises(TeaCacheError, match="must have no cache enabled"):
            apply_teacache(pipe, coefficients(), threshold=1)

    def test_another_number_of_calls_is_warned_of(self, coefficients):
        pipe, arguments = M.wan_pipeline()
        path = coefficients()
        text = json.loads(path.read_text())
        text["provenance"]["calls"] = 50
        path.write_text(json.dumps(text))
        with (
            apply_teacache(pipe, path, threshold=1),
            pytest.warns(match="runs of 50 calls but .* 6"),
        ):
            M.generate(pipe, arguments)

    def test_second_output(self, coefficients):
        """LTX-2's audio leaves the blocks by itself."""
        model, shape, arguments = M.randomized(M.ltx_2()[0]), *M.ltx_2()[1:]
        with apply_teacache(model, coefficients(), threshold=1, calls=6):
            with pytest.raises(TeaCacheError, match="must have one output"):
                run_model(model, shape, arguments)
