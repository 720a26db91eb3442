"""teacache.psnr, ssim, ms_ssim and lpips on arrays and tensors, and evaluate on files."""

import json
import math
import os
import pathlib
import subprocess

import numpy as np
import pytest

teacache = pytest.importorskip("teacache")
pytest.importorskip("teacache._native", reason="the wheel is not installed (tests/python/run.sh)")

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "metrics"


def frames(shape=(3, 200, 190, 3), seed=0, noise=12):
    random = np.random.default_rng(seed)
    a = random.integers(0, 256, shape).astype(np.uint8)
    b = np.clip(a.astype(int) + random.integers(-noise, noise + 1, shape), 0, 255).astype(np.uint8)
    return a, b


def psnr_of(a, b):
    error = ((a.astype(np.float64) - b) ** 2).mean()
    return 10 * math.log10(255**2 / error)


def test_psnr_is_the_formula():
    a, b = frames()
    expected = [psnr_of(x, y) for x, y in zip(a, b, strict=True)]
    assert teacache.psnr(a[0], b[0]) == pytest.approx(expected[0], abs=1e-9)
    np.testing.assert_allclose(teacache.psnr(a, b, per_frame=True), expected, atol=1e-9)
    assert teacache.psnr(a, b) == pytest.approx(np.mean(expected), abs=1e-9)


@pytest.mark.parametrize("scale, shift", [(1, 0), (2 / 255, -1)])
def test_floats_of_another_range_are_refused(scale, shift):
    a, b = (x.astype(np.float32) * scale + shift for x in frames())
    with pytest.raises(teacache.TeaCacheError, match=r"must have values in \[0, 1\] but has"):
        teacache.psnr(a, b)


def test_identical_frames():
    a, b = frames()
    assert teacache.psnr(a, a) == math.inf
    assert teacache.psnr(a, a, cap=100) == 100
    assert teacache.ssim(a, a) == teacache.ms_ssim(a, a) == 1
    b[1] = a[1]  # does not enter the mean of the others
    values = teacache.psnr(a, b, per_frame=True)
    assert values[1] == math.inf
    assert teacache.psnr(a, b) == pytest.approx((values[0] + values[2]) / 2)


@pytest.mark.parametrize("name", ["psnr", "ssim", "ms_ssim"])
def test_every_layout_and_type_gives_the_same(name):
    metric = getattr(teacache, name)
    a, b = frames()
    expected = metric(a, b, per_frame=True)
    assert expected.shape == (3,) and expected.dtype == np.float64
    planar = [x.transpose(0, 3, 1, 2) for x in (a, b)]  # no copy: other strides
    for x, y in [
        planar,
        [np.ascontiguousarray(x) for x in planar],
        [(x / 255).astype(np.float32) for x in (a, b)],
        [x / 255 for x in (a, b)],
        [np.stack([x, x], axis=1)[:, 0] for x in (a, b)],
        [a, b / 255],
    ]:
        np.testing.assert_array_equal(metric(x, y, per_frame=True), expected)
    flipped = [x[:, ::-1, :, ::-1] for x in (a, b)]
    copies = [np.ascontiguousarray(x) for x in flipped]
    np.testing.assert_array_equal(metric(*flipped, per_frame=True), metric(*copies, per_frame=True))
    a.flags.writeable = False
    assert metric(a, b) == metric(a.copy(), b)


def test_ssim_variants():
    a, b = frames((64, 64, 3))
    names = ["wang-rgb", "wang-y", "skimage7", "reflect", "zeropad", "ffmpeg"]
    values = {teacache.ssim(a, b, variant=name) for name in names}
    assert len(values) == len(names) and all(0 < value < 1 for value in values)


def test_tensors_without_copies():
    torch = pytest.importorskip("torch")
    a, b = frames((2, 200, 190, 3))
    x, y = (torch.from_numpy(v) for v in (a, b))
    assert teacache.psnr(x, y) == teacache.psnr(a, b)
    x, y = (v.permute(0, 3, 1, 2).float().div(255) for v in (x, y))
    for metric in (teacache.psnr, teacache.ssim, teacache.ms_ssim):
        assert metric(x, y) == metric(a, b)
    assert teacache.psnr(x.requires_grad_(), y) == teacache.psnr(a, b)
    half = [v.detach().half() for v in (x, y)]
    assert teacache.psnr(*half) == teacache.psnr(*(v.numpy() for v in half))
    assert teacache.psnr(*(v.detach().bfloat16() for v in (x, y))) == teacache.psnr(
        *(v.detach().bfloat16().float() for v in (x, y))
    )


def test_memory_of_a_video_is_not_copied():
    a = np.zeros((400, 512, 512, 3), np.uint8)  # 314 MB
    code = (
        "import numpy as np, resource, teacache\n"
        f"a = np.zeros({a.shape}, np.uint8); b = a.copy(); b += 3\n"
        "teacache.psnr(a[:1], b[:1])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "teacache.psnr(a, b); teacache.psnr(a.transpose(0, 3, 1, 2), b)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    out = subprocess.run(["python3", "-c", code], capture_output=True, text=True, env=environment())
    # `a` is zero pages until it is read: its own 300 MB may appear, a copy of `b` may not.
    assert out.returncode == 0, out.stderr
    assert int(out.stdout) < 400 * 1024


def environment():
    import sys

    folders = [os.path.dirname(sys.executable), os.environ["PATH"]]
    return os.environ | {"PYTHONPATH": ":".join(sys.path), "PATH": ":".join(folders)}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: teacache.psnr(a, a[:, :-1]), "b: must have the size of a"),
        (lambda a: teacache.psnr(a[..., 0], a[..., 0]), "a: must be [height, width, 3]"),
        (lambda a: teacache.psnr(a.astype(np.int32), a), "a: must have values of type uint8"),
        (lambda a: teacache.psnr(a, a * np.nan), "b: frame 0 must have finite values"),
        (lambda a: teacache.ssim(a[:8, :8], a[:8, :8]), "SSIM: pictures must be at least 11x11"),
        (lambda a: teacache.ms_ssim(a, a), "MS-SSIM: pictures must be at least 176x176"),
        (lambda a: teacache.ssim(a, a, variant="best"), "--ssim-variant: must be one of wang-rgb"),
        (lambda a: teacache.psnr(a, a, cap=-1), "psnr"),
    ],
)
def test_mistakes(call, message):
    a, _ = frames((40, 40, 3))
    with pytest.raises(teacache.TeaCacheError) as error:
        call(a)
    assert message.lower() in str(error.value).lower()


def test_lpips_needs_torch():
    a, b = frames((64, 64, 3))
    with pytest.raises(teacache.TeaCacheError) as error:
        teacache.lpips(a, b, weights="/nowhere")
    try:
        import torch  # noqa: F401
    except ImportError:
        assert "teacache.lpips: needs torch ==2.11.*" in str(error.value)
    else:
        assert "LPIPS" in str(error.value)


def test_lpips_of_a_small_network(tmp_path):
    torch = pytest.importorskip("torch")
    heads, backbone = small_alexnet(torch)
    folder = tmp_path / "lpips"
    folder.mkdir()
    torch.save(heads, folder / "alex.pth")
    torch.save(backbone, folder / "alexnet-owt-7be5be79.pth")
    a, b = frames((96, 96, 3), noise=60)
    try:
        value = teacache.lpips(a, b, weights=folder, spatial=False)
    except teacache.TeaCacheError as error:
        if "not installed" in str(error):
            pytest.skip(str(error))
        raise
    assert value == pytest.approx(reference_lpips(torch, a, b, heads, backbone), abs=1e-5)
    assert teacache.lpips(a, a, weights=folder) == 0


def small_alexnet(torch):
    torch.manual_seed(0)
    shapes = {
        0: (64, 3, 11),
        3: (192, 64, 5),
        6: (384, 192, 3),
        8: (256, 384, 3),
        10: (256, 256, 3),
    }
    backbone = {}
    for i, (out, channels, size) in shapes.items():
        scale = (2 / (channels * size * size)) ** 0.5
        backbone[f"features.{i}.weight"] = torch.randn(out, channels, size, size) * scale
        backbone[f"features.{i}.bias"] = torch.randn(out) * 0.1
    heads = {
        f"lin{i}.model.1.weight": torch.rand(1, shape[0], 1, 1)
        for i, shape in enumerate(shapes.values())
    }
    return heads, backbone


def reference_lpips(torch, a, b, heads, backbone):
    from torch.nn import functional as f

    shift = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)

    def features(picture):
        x = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255 * 2 - 1
        x, out = (x - shift) / scale, []
        for i, (stride, pad) in {0: (4, 2), 3: (1, 2), 6: (1, 1), 8: (1, 1), 10: (1, 1)}.items():
            if i in (3, 6):
                x = f.max_pool2d(x, 3, 2)
            weight, bias = backbone[f"features.{i}.weight"], backbone[f"features.{i}.bias"]
            x = f.relu(f.conv2d(x, weight, bias, stride, pad))
            out.append(x / (x.norm(dim=1, keepdim=True) + 1e-10))
        return out

    pairs = zip(features(a), features(b), strict=True)
    return sum(
        float(((x - y) ** 2 * heads[f"lin{i}.model.1.weight"]).sum(1).mean())
        for i, (x, y) in enumerate(pairs)
    )


# ------------------------------------------------------------------------------- files
FOLDERS = GOLDEN / "lossless" / "oddraw_gt_png", GOLDEN / "lossless" / "oddraw_gen_png"


def test_evaluate_gives_what_eval_metrics_writes(program, tmp_path):
    evaluation = teacache.evaluate(*FOLDERS, metrics=["psnr", "ssim"], per_frame=True)
    out = tmp_path / "results.json"
    subprocess.run(
        [program("eval-metrics"), "--gt", FOLDERS[0], "--gen", FOLDERS[1], "--metrics", "psnr,ssim",
         "--per-frame", "--out", out],
        check=True, capture_output=True,
    )  # fmt: skip
    expected = json.loads(out.read_text())
    assert evaluation.results["videos"] == expected["videos"]
    assert evaluation.summary == expected["summary"]
    (record,) = evaluation
    video = expected["videos"][0]
    assert record["psnr"] == video["psnr"] and record["ssim"] == video["ssim"]
    assert record["error"] is None and len(record["per_frame"]["psnr"]) == record["frames"]
    evaluation.save(tmp_path / "saved.json")
    assert json.loads((tmp_path / "saved.json").read_text()) == evaluation.results


def test_evaluate_agrees_with_arrays_and_pandas(tmp_path):
    pandas = pytest.importorskip("pandas")
    from_files = teacache.evaluate(*FOLDERS, metrics="psnr")
    table = pandas.DataFrame(from_files)
    assert list(table["psnr"]) == [from_files[0]["psnr"]]
    assert {"name", "psnr", "frames", "identical", "error"} <= set(table.columns)


def test_evaluate_mistakes(tmp_path):
    with pytest.raises(teacache.TeaCacheError, match="nowhere"):
        teacache.evaluate(tmp_path / "nowhere", FOLDERS[1], metrics="psnr")
    with pytest.raises(teacache.TeaCacheError, match="flicker"):
        teacache.evaluate(*FOLDERS, metrics="flicker")
    with pytest.raises(teacache.TeaCacheError, match="size: must be"):
        teacache.evaluate(*FOLDERS, metrics="psnr", size="huge")
    (tmp_path / "gen").mkdir()
    (tmp_path / "gen" / "a.mp4").write_bytes(b"no video")
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt" / "a.mp4").write_bytes(b"no video")
    (record,) = teacache.evaluate(tmp_path / "gt", tmp_path / "gen", metrics="psnr")
    assert record["psnr"] is None and "a.mp4" in record["error"]
