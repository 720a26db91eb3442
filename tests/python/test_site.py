"""The documents as a site: built without warnings, with every flag in its reference."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

pytest.importorskip("mkdocs")
if importlib.util.find_spec("torch"):
    pytest.skip("built in the environment without torch", allow_module_level=True)

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = os.environ.get("TEACACHE_BIN_DIR", ROOT / "build" / "release" / "bin")
    if not (pathlib.Path(folder) / "eval-metrics").exists():
        pytest.skip("no programs are built")
    out = tmp_path_factory.mktemp("site")
    run = subprocess.run(
        [sys.executable, ROOT / "docs" / "site.py", "--programs", folder, "--out", out],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "WARNING" not in run.stdout + run.stderr, run.stdout + run.stderr
    return out


def text_of(page):
    return re.sub(r"<[^>]+>", "", page.read_text())


def test_every_flag_is_in_the_reference(site, program):
    page = text_of(site / "html" / "flags.html")
    for name in ("eval-metrics", "fit-coeffs"):
        text = subprocess.run([program(name), "--help"], capture_output=True, text=True).stdout
        flags = set(re.findall(r"^  (?:-h,)?(--[a-z0-9-]+)", text, re.MULTILINE))
        assert len(flags) > 5
        assert not [flag for flag in flags if flag not in page]


def test_functions_and_headers_are_in_the_references(site):
    python = text_of(site / "html" / "python.html")
    for name in ("evaluate", "ms_ssim", "fit_traces", "replay", "TraceRecorder", "apply_teacache"):
        assert name in python
    assert "metrics/frames/ssim.h" in text_of(site / "html" / "cpp-metrics.html")


def test_links_lead_somewhere(site):
    for page in (site / "html").glob("*.html"):
        for target in re.findall(r'href="([^"#:]+)(?:#[^"]*)?"', page.read_text()):
            if page.name != "404.html":
                assert (site / "html" / target).exists(), f"{page.name}: {target}"


def test_a_broken_link_is_an_error(site):
    page = site / "pages" / "install.md"
    before = page.read_text()
    page.write_text(before + "\n[nowhere](nowhere.md)\n")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file",
         ROOT / "mkdocs.yml", "--site-dir", site / "broken"],
        env=os.environ | {"TEACACHE_SITE_SOURCE": str(site / "pages")},
        capture_output=True,
    )  # fmt: skip
    page.write_text(before)
    assert run.returncode != 0
