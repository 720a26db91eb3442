"""The programs run a bundle as the pipeline runs the model: call by call, to the final latents,
with the same decisions of TeaCache; and what does not fit is refused in one line."""

import json
import re
import shutil
import subprocess

import models as M
import pytest
import torch
from teacache import apply_teacache, export

pytest.importorskip("safetensors", reason="safetensors is not installed")
from safetensors.torch import load_file, save_file  # noqa: E402

PROMPT = "a small red ball"


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True)


def run_well(*command):
    done = run(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def bundle_of(name, folder, **options):
    """(pipeline, arguments, manifest) of a class, exported into `folder`."""
    pipe, arguments = M.PIPELINES[name]()
    manifest = export.export_pipeline(pipe, folder, arguments, prompts={PROMPT: {}}, **options)
    return pipe, arguments, manifest


def noise_of(manifest, seed):
    return torch.randn(manifest["latent"]["shape"], generator=torch.Generator().manual_seed(seed))


class Steps:
    """The latents that a pipeline's scheduler gives."""

    def __init__(self, scheduler, monkeypatch):
        self.latents = []
        original = type(scheduler).step

        def step(scheduler, *args, **kwargs):
            out = original(scheduler, *args, **kwargs)
            self.latents.append((out[0] if isinstance(out, tuple) else out.prev_sample).clone())
            return out

        monkeypatch.setattr(type(scheduler), "step", step)


def final_latent(pipe, arguments, latents, monkeypatch):
    with monkeypatch.context() as patch:
        steps = Steps(pipe.scheduler, patch)
        pipe(**arguments, latents=latents.clone(), output_type="latent")
    return steps.latents[-1]


def error_of(got, expected):
    return ((got - expected).abs().max() / expected.abs().max()).item()


def latent_of(folder, seed=0):
    (file,) = (folder / "videos").glob(f"*-{seed}.safetensors")
    return load_file(file)["latent"]


@pytest.fixture(scope="session")
def table():
    """Measured errors, printed at the end of the run (-s)."""
    rows = []
    yield rows
    for row in rows:
        print("\n| {} | {} | {:.1e} | {:.1e} | {:.1e} |".format(*row), end="")


def check_class(name, folder, program, monkeypatch, table, backend="torchscript", flags=()):
    pipe, arguments, manifest = bundle_of(name, folder / "bundle", backend=backend)
    backends = {p["backend"] for e in manifest["experts"].values() for p in e["parts"].values()}
    text = run_well(program("inspect-bundle"), folder / "bundle", *flags)
    errors = [float(e) for e in re.findall(r"error of the output (\S+),", text)]
    assert len(errors) == len(manifest["experts"]) and max(errors) <= 1e-4
    steps = manifest["schedule"]["steps"]

    def generate(out, *more):
        run_well(
            program("generate-videos"), "--model", folder / "bundle", "--prompt", PROMPT,
            "--output", "latents", "--seeds", 3, "--steps", steps, "--out", folder / out,
            *flags, *more,
        )  # fmt: skip
        return latent_of(folder / out, 3)

    noise = noise_of(manifest, 3)
    uncached = error_of(generate("uncached"), final_latent(pipe, arguments, noise, monkeypatch))
    assert uncached <= 1e-3

    # f(x) = x, and a threshold that skips some.
    path = folder / "coefficients.json"
    path.write_text(json.dumps({
        "format": "teacache-coefficients", "version": 1, "coefficients": [1.0, 0.0],
        "provenance": {"modulated": "input", "model": manifest["model"]},
    }))  # fmt: skip
    with apply_teacache(pipe, path, threshold=0.6) as applied:
        expected = final_latent(pipe, arguments, noise, monkeypatch)
        log = applied.log
    decisions = [e.decision.compute for e in log]
    got = generate("cached", "--cache", "teacache", "--coeffs", path, "--threshold", 0.6)
    entry = json.loads((folder / "cached" / "timing.jsonl").read_text().splitlines()[-1])
    assert entry["calls"] == "".join("C" if d else "S" for d in decisions)
    cached = error_of(got, expected)
    assert cached <= 1e-3
    table.append((name, ", ".join(sorted(backends)), max(errors), uncached, cached))
    return decisions


@pytest.mark.parametrize("name", M.PIPELINES)
def test_every_class_runs_as_its_pipeline(name, tmp_path, program, monkeypatch, table):
    decisions = check_class(name, tmp_path, program, monkeypatch, table)
    assert True in decisions


@pytest.mark.long
def test_aot_inductor(tmp_path, program, monkeypatch, table):
    check_class(
        "Wan 2.1", tmp_path, program, monkeypatch, table, backend="aoti", flags=["--native-code"]
    )
    done = run(program("inspect-bundle"), tmp_path / "bundle")
    assert done.returncode == 2 and "native code" in done.stderr


def test_from_export_to_a_report(tmp_path, program):
    """Export, trace, coefficients, cached run, report of the fit."""
    bundle_of("Wan 2.1", tmp_path / "bundle")
    common = ["--model", tmp_path / "bundle", "--prompt", PROMPT, "--steps", 12]
    trace = tmp_path / "trace.jsonl"
    run_well(program("record-diffs"), *common, "--seeds", "0-5", "--out", trace)
    header, *rows = [json.loads(line) for line in trace.read_text().splitlines()]
    assert header["model"] == "WanPipeline" and header["modulated"] == "input"
    assert {row["branch"] for row in rows} == {"cond", "uncond"}
    coeffs, report = tmp_path / "coeffs.json", tmp_path / "fit.html"
    run_well(
        program("fit-coeffs"), trace, "--degree", 1, "--target-speedup", 1.5, "--out", coeffs,
        "--report", report,
    )  # fmt: skip
    assert "<html" in report.read_text()
    out = run_well(
        program("generate-videos"), *common, "--seeds", 7, "--output", "latents", "--cache",
        "teacache", "--coeffs", coeffs, "--out", tmp_path / "cached",
    )  # fmt: skip
    computed = float(re.search(r"computed calls ([\d.]+) of", out)[1])
    assert computed < 24
    latent = latent_of(tmp_path / "cached", 7)
    assert torch.isfinite(latent).all() and latent.shape == (1, 16, 3, 4, 4)


def test_sweep_report(tmp_path, program):
    """The whole experiment, with videos by the bundle's decoder."""
    pipe, arguments = M.wan_pipeline()
    texts = ["one red ball", "two red balls", "three red balls"]
    prompts = {t: {"prompt_embeds": M.random(1, M.TEXT, 16, seed=i)} for i, t in enumerate(texts)}
    manifest = export.export_pipeline(pipe, tmp_path / "bundle", arguments, prompts=prompts)
    assert manifest["decoder"]["error"] <= 1e-4
    (tmp_path / "fit.txt").write_text("\n".join(texts[:2]))
    (tmp_path / "test.txt").write_text(texts[2])
    run_well(
        program("sweep-report"), "--model", tmp_path / "bundle", "--steps", 12, "--fit-prompts",
        tmp_path / "fit.txt", "--prompts", tmp_path / "test.txt", "--degree", 1, "--timed-runs",
        1, "--thresholds", "0.5,2", "--metrics", "psnr,ssim", "--out", tmp_path / "sweep",
    )  # fmt: skip
    report = json.loads((tmp_path / "sweep" / "report.json").read_text())
    assert len(report["rows"]) >= 3
    assert "<html" in (tmp_path / "sweep" / "report.html").read_text()


class TestBadInput:
    @pytest.fixture(scope="class")
    def good(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("good") / "bundle"
        bundle_of("Wan 2.1", folder)
        return folder

    @pytest.fixture
    def bundle(self, good, tmp_path):
        return shutil.copytree(good, tmp_path / "bundle")

    @pytest.fixture
    def check(self, bundle, program):
        def refused(*texts, flags=()):
            done = run(program("inspect-bundle"), bundle, *flags)
            assert done.returncode == 2, done.stdout + done.stderr
            (line,) = done.stderr.strip().splitlines()
            for text in texts:
                assert text in line, line

        return refused

    @staticmethod
    def change(bundle, do):
        path = bundle / "bundle.json"
        manifest = json.loads(path.read_text())
        do(manifest, manifest["experts"][""])
        path.write_text(json.dumps(manifest))

    def test_missing_parts_are_named_together(self, bundle, check):
        (bundle / "embed.pt").unlink()
        (bundle / "head.pt").unlink()
        check("embed.pt", "head.pt", "missing")

    def test_missing_constants_are_named_together(self, bundle, check):
        path = bundle / "constants.safetensors"
        left = load_file(path)
        del left["proj_out.weight"], left["rope.freqs_cos"]
        save_file(left, path)
        self.change(bundle, lambda m, e: e["constants"].update(sha256=export._sha256(path)))
        check("2 are missing", "proj_out.weight", "rope.freqs_cos")

    @pytest.mark.parametrize("file", ["constants.safetensors", "blocks.pt", "check.safetensors"])
    def test_changed_files(self, file, bundle, check):
        data = bytearray((bundle / file).read_bytes())
        data[-1] ^= 1
        (bundle / file).write_bytes(data)
        check(file, "SHA-256")

    def test_shapes(self, bundle, check):
        self.change(bundle, lambda m, e: e["tensors"]["linear_4"].update(shape=[1, 8, 25]))
        check('"linear_4" must be [1, 8, 25]', "is [1, 8, 24]")

    def test_versions(self, bundle, check):
        self.change(bundle, lambda m, e: m.update(version=2))
        check("version")

    def test_native_code_of_another_torch_or_cpu(self, bundle, check):
        def native(m, e):
            m["torch"] = "2.10.0"
            e["parts"]["head"]["backend"] = "aoti"

        self.change(bundle, native)
        check("native code", "head.pt")
        check("2.10.0", flags=["--native-code"])
        self.change(bundle, lambda m, e: m.update(torch=torch.__version__, machine="riscv64"))
        check("riscv64", flags=["--native-code"])
        self.change(
            bundle,
            lambda m, e: m.update(
                machine=__import__("platform").machine(), cpu_capability="AVX1024"
            ),
        )
        check("AVX1024", flags=["--native-code"])

    def test_prompts(self, bundle, program, tmp_path):
        def refused(text, *flags):
            done = run(
                program("generate-videos"), "--model", bundle, "--output", "latents", "--out",
                tmp_path / "out", *flags,
            )  # fmt: skip
            assert done.returncode == 2 and text in done.stderr, done.stdout + done.stderr
            assert len(done.stderr.strip().splitlines()) == 1

        refused('must hold prompt "a dog"', "--prompt", "a dog")
        prompts = load_file(bundle / "prompts.safetensors")
        wide = {k: torch.zeros(1, M.TEXT, 17) for k in prompts}
        metadata = {
            "format": "teacache-bundle-prompts",
            "version": "1",
            "prompts": json.dumps([PROMPT]),
        }
        save_file(wide, tmp_path / "wide.safetensors", metadata)
        refused(
            "must be [1, 8, 16]",
            "--prompt",
            PROMPT,
            "--prompt-embeddings",
            tmp_path / "wide.safetensors",
        )
        refused("is not for", "--prompt", PROMPT, "--width", 64)
        refused("--dtype", "--prompt", PROMPT, "--dtype", "bfloat16")

    def test_videos_need_a_decoder(self, bundle, program, tmp_path):
        self.change(bundle, lambda m, e: m.update(decoder=None))
        done = run(
            program("generate-videos"), "--model", bundle, "--prompt", PROMPT, "--out",
            tmp_path / "out",
        )  # fmt: skip
        assert done.returncode == 2 and "must be latents" in done.stderr

    def test_a_part_that_gives_other_numbers(self, bundle, program):
        path = bundle / "check.safetensors"
        values = load_file(path)
        values["output"] *= 1.001
        save_file(values, path)
        self.change(bundle, lambda m, e: e["check"].update(sha256=export._sha256(path)))
        done = run(program("inspect-bundle"), bundle)
        assert done.returncode == 1 and "MORE THAN 0.0001" in done.stdout
