"""The Python rules decide as fit-coeffs replays: 1,000 random runs for every engine."""

import json
import math
import subprocess

import numpy as np
import pytest
from teacache import TeaCacheError
from teacache.rules import SkipRule, find_rule, rules

RUNS, CALLS = 1000, 20
COEFFICIENTS = (40.0, -23.0, 3.1, 0.02)  # negative in a stretch of the x below
RANGE, THRESHOLD = (0.04, 0.5), 0.15


@pytest.fixture(scope="module")
def sequences():
    """[runs][calls] of (diff_l1, prev_l1, n); denominators go down to where an epsilon counts."""
    random = np.random.default_rng(3)
    x = random.uniform(0.0, 0.6, (RUNS, CALLS))
    n = 64
    prev = n * 10.0 ** random.uniform(-9, 1, (RUNS, CALLS))
    return [
        [(float(a * b), float(b), n) for a, b in zip(xs, ps, strict=True)]
        for xs, ps in zip(x, prev, strict=True)
    ]


def schedule(rule, run, threshold):
    skip_rule = SkipRule(rule, COEFFICIENTS, threshold, RANGE)
    decisions = [
        skip_rule.decide(i, CALLS, rule.relative_change(*sums) if i else None)
        for i, sums in enumerate(run)
    ]
    return "".join("C" if d.compute else "S" for d in decisions)


@pytest.mark.parametrize("engine", rules())
def test_decides_as_fit_coeffs(engine, sequences, program, tmp_path):
    trace = tmp_path / "trace.jsonl"
    header = {
        "format": "teacache-trace",
        "version": 1,
        "model": "random",
        "steps": CALLS,
        "calls": CALLS,
        "modulated": "input",
    }
    with open(trace, "w") as f:
        f.write(json.dumps(header) + "\n")
        for seed, run in enumerate(sequences):
            for call, sums in enumerate(run):
                row = {"prompt": "a", "seed": seed, "call": call, "step": call}
                if call:
                    row["mod"] = dict(zip(("diff_l1", "prev_l1", "n"), sums, strict=True))
                    row["res"] = {"diff_l1": 1.0 + seed % 7, "prev_l1": 9.0, "n": 1}
                f.write(json.dumps(row) + "\n")
    coefficients = tmp_path / "coefficients.json"
    coefficients.write_text(
        json.dumps(
            {
                "format": "teacache-coefficients",
                "version": 1,
                "coefficients": COEFFICIENTS,
                "x_range": RANGE,
            }
        )
    )
    result = subprocess.run(
        [
            program("fit-coeffs"),
            "score",
            "--coeffs",
            coefficients,
            "--threshold",
            str(THRESHOLD),
            "--engine",
            engine,
            "--json",
            "-",
            trace,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    expected = {
        run["seed"]: run["schedule"]
        for run in json.loads(result.stdout)["experts"][0]["replay"]["runs"]
    }
    got = {seed: schedule(find_rule(engine), run, THRESHOLD) for seed, run in enumerate(sequences)}
    assert got == expected
    assert "S" in got[0] and len(set(got.values())) > RUNS / 10


def test_every_engine_of_fit_coeffs_is_offered_or_refused(program):
    listed = subprocess.run(
        [program("fit-coeffs"), "list"], capture_output=True, text=True, check=True
    ).stdout.split("formats (--emit)")[0]
    names = [line.split()[0] for line in listed.splitlines()[1:] if line.strip()]
    assert len(names) > 10
    for name in names:
        try:
            find_rule(name)
        except TeaCacheError as error:
            assert "which " in str(error), name  # a reason, not just unknown
    assert set(rules()) <= set(names)


def test_a_threshold_of_zero_computes_everything(sequences):
    for engine in rules():
        assert schedule(find_rule(engine), sequences[0], 0.0) == "C" * CALLS


def test_a_call_without_a_signal_is_computed_and_starts_over():
    rule = SkipRule(find_rule("teacache"), (1.0, 0.0), 0.3)
    got = [
        rule.decide(i, 9, x) for i, x in enumerate([None, 0.1, 0.1, math.nan, 0.1, 0.1, 0.1, 0.1])
    ]
    assert "".join("C" if d.compute else "S" for d in got) == "CSSCSSCS"
    assert [round(d.accumulated, 9) for d in got] == [0, 0.1, 0.2, 0.2, 0.1, 0.2, 0.3, 0.1]


def test_unknown_and_impossible_engines_are_refused_by_name():
    with pytest.raises(TeaCacheError, match='is "tea"'):
        find_rule("tea")
    with pytest.raises(TeaCacheError, match='is "comfyui", which computes both passes'):
        find_rule("comfyui")
