"""What the programs write is what datasets/schemas says, and goes into pandas in one line."""

import json
import pathlib
import subprocess

import pytest

jsonschema = pytest.importorskip("jsonschema")

ROOT = pathlib.Path(__file__).parents[2]
SCHEMAS = ROOT / "datasets" / "schemas"
VIDEOS = ROOT / "tests" / "golden" / "metrics" / "lossless"
RECIPE = {"model": "m", "steps": 12, "calls": 12, "modulated": "input"}


def validator(name):
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def check(name, data):
    errors = list(validator(name).iter_errors(data))
    assert not errors, [f"{error.json_path}: {error.message}" for error in errors[:5]]


def check_lines(name, path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) > 1
    for line in lines:
        check(name, line)


def run(*command, **more):
    out = subprocess.run(command, capture_output=True, text=True, **more)
    assert out.returncode == 0, out.stderr
    return out


@pytest.fixture
def trace(tmp_path):
    lines = [{"format": "teacache-trace", "version": 1, **RECIPE}]
    for prompt in "abc":
        for call in range(12):
            x = 0.05 + 0.01 * ((call * 7 + ord(prompt)) % 11)
            line = {"prompt": prompt, "seed": 0, "call": call, "step": call}
            if call:
                line["mod"] = {"diff_l1": x, "prev_l1": 1, "n": 1}
                line["res"] = {"diff_l1": 2 * x, "prev_l1": 1, "n": 1}
            lines.append(line)
    path = tmp_path / "trace.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    check_lines("trace", path)
    return path


@pytest.fixture
def results(program, tmp_path):
    out = tmp_path / "results.json"
    run(program("eval-metrics"),
        "--gt", VIDEOS / "oddraw_gt_png", "--gen", VIDEOS / "oddraw_gen_png",
        "--baseline", VIDEOS / "oddraw_gt_png", "--compare", VIDEOS / "oddraw_gen_png",
        "--require", "psnr>=1", "--metrics", "psnr,ssim", "--per-frame", "--out", out)  # fmt: skip
    return out


def test_results(results):
    check("results", json.loads(results.read_text()))


def test_results_in_pandas(results):
    pandas = pytest.importorskip("pandas")
    # docs/formats.md
    table = pandas.DataFrame(json.load(open(results))["videos"])
    assert table["psnr"][0] > 1
    summary = pandas.DataFrame(json.load(open(results))["summary"]).T
    assert summary.loc["psnr", "mean"] == table["psnr"][0]


def test_coefficients(program, trace, tmp_path):
    out = tmp_path / "coeffs.json"
    run(program("fit-coeffs"), trace, "--degree", "1", "--target-skips", "4", "--out", out)
    data = json.loads(out.read_text())
    check("coefficients", data)
    data["threshhold"] = 0.1
    assert list(validator("coefficients").iter_errors(data))


def test_trace_of_the_program(program, tmp_path):
    generated = run(program("record-diffs"), "--help")  # needs LibTorch
    assert generated.stdout
    out = tmp_path / "trace.jsonl"
    run(program("record-diffs"), "--model", "shapes", "--demo", "1", "--steps", "4", "--out", out)
    check_lines("trace", out)


def test_trace_of_the_recorder(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("diffusers")
    import models
    from teacache import TraceRecorder

    pipe, arguments = models.wan_pipeline()
    with torch.no_grad(), TraceRecorder(pipe, str(tmp_path / "trace.jsonl")) as recorder:
        with recorder.run("a cat", seed=0):
            models.generate(pipe, arguments)
    check_lines("trace", tmp_path / "trace.jsonl")


def test_manifest_of_a_bundle(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("diffusers")
    import models
    from teacache.export import export_pipeline

    pipe, arguments = models.wan_pipeline()
    export_pipeline(pipe, tmp_path, arguments)
    check("manifest", json.loads((tmp_path / "bundle.json").read_text()))


def test_costs_and_plan(program, tmp_path):
    costs = tmp_path / "costs.jsonl"
    lines = [{"format": "teacache-costs", "version": 1, "measure": "residual", **RECIPE}]
    for prompt in "ab":
        for start in range(1, 11):
            for skipped in range(1, 12 - start):  # the last call is always computed
                error = 0.01 * skipped * (1 + start % 3)
                lines.append({"prompt": prompt, "seed": 0, "start": start, "skipped": skipped,
                              "error": error})  # fmt: skip
    costs.write_text("".join(json.dumps(line) + "\n" for line in lines))
    check_lines("costs", costs)
    out = tmp_path / "plan.json"
    run(program("fit-coeffs"), "plan", costs, "--frontier", "--out", out)
    check("plan", json.loads(out.read_text()))


@pytest.fixture
def report(program, tmp_path):
    for setting, folder in {"uncached": "oddraw_gt_png", "teacache-0.1": "oddraw_gen_png"}.items():
        (tmp_path / "runs" / setting).mkdir(parents=True)
        (tmp_path / "runs" / setting / "a cat-0").symlink_to(VIDEOS / folder)
    run(program("sweep-report"), "render", tmp_path / "runs", "--out", tmp_path / "page")
    return tmp_path / "page" / "report.json"


def test_report(report):
    check("report", json.loads(report.read_text()))


def test_report_in_pandas(report):
    pandas = pytest.importorskip("pandas")
    # docs/formats.md
    rows = pandas.json_normalize(json.load(open(report))["rows"])
    assert "scores.psnr.mean" in rows.columns
    videos = pandas.json_normalize(json.load(open(report))["rows"], "videos", ["id", "threshold"])
    assert "scores.psnr" in videos.columns


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("trace", {"format": "teacache-trace", "version": 1, "model": "m"}),
        ("trace", {"prompt": "a", "seed": 0, "call": 0, "step": 0, "mod": {"diff_l1": -1}}),
        ("costs", {"prompt": "a", "seed": 0, "start": 0, "skipped": 1, "error": 1}),
        ("plan", {"format": "teacache-plan", "version": 1}),
        ("results", {"format": "teacache-results", "version": 2}),
        ("report", {"format": "teacache-sweep", "version": 1}),
        ("manifest", {"format": "teacache-bundle"}),
        ("coefficients", {"format": "teacache-coefficients", "version": 1, "coefficients": []}),
    ],
)
def test_schemas_refuse(name, wrong):
    assert list(validator(name).iter_errors(wrong))
