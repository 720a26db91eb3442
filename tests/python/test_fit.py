"""teacache.fit, fit_traces and replay against the program fit-coeffs."""

import csv
import json
import math
import pathlib
import subprocess

import numpy as np
import pytest

teacache = pytest.importorskip("teacache")
pytest.importorskip("teacache._native", reason="the wheel is not installed (tests/python/run.sh)")

PROMPTS, STEPS = ["a cat", 'a "dog", asleep', "the sea"], 30


def pairs(noise=0.02, seed=0):
    random = np.random.default_rng(seed)
    columns = {name: [] for name in ("x", "y", "prompts", "seeds", "steps")}
    for prompt in PROMPTS:
        for step in range(1, STEPS):
            x = random.uniform(0.02, 0.3)
            columns["x"].append(x)
            columns["y"].append(abs(4 * x * x + 0.5 * x + 0.01 + noise * x * random.normal()))
            columns["prompts"].append(prompt)
            columns["seeds"].append(7)
            columns["steps"].append(step)
    return columns


def write_csv(path, data):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["x", "y", "prompt", "seed", "step"])
        writer.writerows(zip(*data.values(), strict=True))


def test_fit_is_numpys():
    data = pairs()
    fit = teacache.fit(data["x"], data["y"], degree=2, bootstrap=0, all_calls=True)
    np.testing.assert_allclose(fit.coefficients, np.polyfit(data["x"], data["y"], 2), rtol=1e-8)
    assert fit(0.1) == pytest.approx(np.polyval(fit.coefficients, 0.1))
    assert fit.threshold is None and fit.verdict_text


def test_fit_is_that_of_the_program(program, tmp_path):
    data = pairs()
    write_csv(tmp_path / "pairs.csv", data)
    fit = teacache.fit(**data, degree=2, target_speedup=1.5)
    out = subprocess.run(
        [program("fit-coeffs"), tmp_path / "pairs.csv", "--degree", "2", "--target-speedup", "1.5",
         "--json", "-"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    expected = json.loads(out.stdout)
    assert fit.coefficients == expected["coefficients"]["coefficients"]
    assert fit.threshold == expected["coefficients"]["threshold"] > 0
    assert fit.statistics == expected["coefficients"]["stats"]
    assert fit.verdict == expected["experts"][0]["verdict"]["kind"]
    assert fit.report["experts"][0]["sweep"] == expected["experts"][0]["sweep"]


def test_fit_is_saved_as_coefficients(program, tmp_path):
    data = pairs()
    fit = teacache.fit(**data, degree=2, threshold=0.3)
    fit.save(tmp_path / "coeffs.json")
    from teacache.coefficients import read_coefficients

    assert read_coefficients(tmp_path / "coeffs.json").set.coefficients == tuple(fit.coefficients)
    write_csv(tmp_path / "pairs.csv", data)
    subprocess.run(
        [program("fit-coeffs"), "score", "--coeffs", tmp_path / "coeffs.json",
         tmp_path / "pairs.csv"],
        check=True, capture_output=True,
    )  # fmt: skip


def test_tensors():
    torch = pytest.importorskip("torch")
    data = pairs()
    x, y = (torch.tensor(data[name], dtype=torch.float64) for name in "xy")
    a = teacache.fit(x, y, degree=1, bootstrap=0)
    b = teacache.fit(data["x"], data["y"], degree=1, bootstrap=0)
    assert a.coefficients == b.coefficients


def test_replay_is_the_rule(tmp_path):
    data = pairs()
    write_csv(tmp_path / "pairs.csv", data)
    fit = teacache.fit(**data, degree=2)
    points = teacache.replay(tmp_path / "pairs.csv", fit, [0.1, 0.5])
    assert [point["threshold"] for point in points] == [0.1, 0.5]
    assert 0 <= points[0]["mean_skips"] < points[1]["mean_skips"] < STEPS
    assert points[0]["calls"] == STEPS
    runs = teacache.replay(tmp_path / "pairs.csv", fit, 0.5, runs=True)
    assert [run["prompt"] for run in runs] == sorted(PROMPTS)
    assert points[1]["mean_skips"] == pytest.approx(np.mean([run["skips"] for run in runs]))
    from teacache.rules import SkipRule, find_rule

    for run in runs:
        rule = SkipRule(find_rule("teacache"), fit.coefficients, 0.5)
        of_run = [x for x, prompt in zip(data["x"], data["prompts"], strict=True)
                  if prompt == run["prompt"]]  # fmt: skip
        decisions = [rule.decide(call, STEPS, x) for call, x in enumerate([math.nan, *of_run])]
        assert run["schedule"] == "".join("C" if d.compute else "S" for d in decisions)


def test_traces(tmp_path):
    header = {"format": "teacache-trace", "version": 1, "model": "m", "steps": 12, "calls": 12,
              "modulated": "input"}  # fmt: skip
    rows = []
    for prompt in PROMPTS:
        for call in range(12):
            row = {"prompt": prompt, "seed": 0, "call": call, "step": call}
            if call:
                x = 0.05 + 0.01 * ((call * 7 + len(prompt)) % 11)
                row["mod"] = {"diff_l1": x, "prev_l1": 1, "n": 1}
                row["res"] = {"diff_l1": 2 * x, "prev_l1": 1, "n": 1}
            rows.append(row)
    trace = tmp_path / "trace.jsonl"
    trace.write_text("".join(json.dumps(line) + "\n" for line in [header, *rows]))
    fit = teacache.fit_traces(trace, degree=1, target_skips=4)
    np.testing.assert_allclose(fit.coefficients, [2, 0], atol=1e-9)
    (point,) = teacache.replay([trace], fit, fit.threshold)
    assert point["mean_skips"] >= 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": [0.1, -1, 0.2]}, "x: must be finite and not negative but pair 1 is -1"),
        ({"y": [0.1, 0.2]}, "y: must be as many as x, 3, but are 2"),
        ({"prompts": ["a"]}, "prompts: must be as many as x"),
        ({"x": [[1, 2, 3]]}, "x: must have the shape [pairs]"),
        ({"x": ["a", "b", "c"]}, "x: must be numbers"),
        ({"degree": 13}, "degree"),
        ({"method": "magic"}, "method: must be"),
        ({"engine": "steam"}, "steam"),
        ({"target_skips": 2}, "threshold: can be chosen only where calls are known"),
    ],
)
def test_mistakes(change, message):
    arguments = {"x": [0.1, 0.2, 0.3], "y": [0.2, 0.4, 0.7], "degree": 1, "bootstrap": 0} | change
    with pytest.raises(teacache.TeaCacheError) as error:
        teacache.fit(**arguments)
    assert message in str(error.value)


def test_replay_mistakes(tmp_path):
    (tmp_path / "pairs.csv").write_text("0.1,0.2\n0.2,0.3\n0.3,0.5\n")
    with pytest.raises(teacache.TeaCacheError, match="must have numbered calls"):
        teacache.replay(tmp_path / "pairs.csv", [1, 0], 0.1)
    with pytest.raises(teacache.TeaCacheError, match="thresholds: must be positive"):
        teacache.replay(tmp_path / "pairs.csv", [1, 0], [0.1, 0])
    with pytest.raises(teacache.TeaCacheError, match="nowhere"):
        teacache.replay(pathlib.Path("/nowhere"), [1, 0], 0.1)
