"""The documents' commands do what they say. Every block of commands has a mark before it:

<!-- run -->      run here as printed, in the order of the page, in a folder with example videos
<!-- check -->    needs weights, a GPU or networks: its programs and flags exist, its Python
                  compiles and what it imports from teacache exists
<!-- network -->  installs or downloads: its scripts exist, and bash can parse it
<!-- example -->  part of another file
"""

import ast
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "datasets/FORMATS.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
MARKS = {"run", "check", "network", "example"}
COMMANDS = {"sh", "bash", "console", "python", "cmake", "yaml"}
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block:
    def __init__(self, page, text, match):
        self.page, self.language, self.code = page, match[1], match[2]
        self.line = text[: match.start()].count("\n") + 1
        before = text[: match.start()].rstrip("\n").rsplit("\n", 1)[-1]
        mark = re.fullmatch(r"<!-- (\w+) -->", before)
        self.mark = mark[1] if mark else ""

    def __str__(self):
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page, marks=MARKS):
    text = page.read_text()
    found = [Block(page, text, match) for match in BLOCK.finditer(text)]
    return [block for block in found if block.mark in marks]


def all_blocks(mark):
    return [pytest.param(block, id=str(block)) for page in PAGES for block in blocks(page, {mark})]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_marked(page):
    text = page.read_text()
    unmarked = []
    for match in BLOCK.finditer(text):
        block = Block(page, text, match)
        if block.language in COMMANDS and block.mark not in MARKS:
            unmarked.append(str(block))
    assert not unmarked, f"without a mark (run, check, network or example): {unmarked}"
    outside = BLOCK.sub("", text)
    indented = re.search(r"\n\n    (?! )[\w./][^\n]*", outside)
    assert not indented, f"an indented block has no mark, fence it: {indented[0]}"


def test_marks_are_found():
    assert not blocks(ROOT / "README.md", {""} - MARKS)
    assert len(blocks(ROOT / "README.md", {"run"})) >= 2
    text = "a\n\n<!-- run -->\n```sh\nls\n```\n\n```sh\nrm\n```\n"
    marks = [Block(ROOT / "README.md", text, match).mark for match in BLOCK.finditer(text)]
    assert marks == ["run", ""]


# ------------------------------------------------------------------------------- run
def pages_to_run():
    return [page for page in PAGES if blocks(page, {"run"})]


@pytest.fixture
def folder(tmp_path):
    """Folders of example videos: frames of noise that a cache made a little worse."""
    random = np.random.default_rng(0)
    from_png = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    for name, noise in {"uncached": 0, "cached": 8, "cached-0.1": 8, "cached-0.2": 20}.items():
        for video in ("a cat-0", "a dog-0"):
            (tmp_path / name / video).mkdir(parents=True)
            for frame in range(3):
                seed = np.random.default_rng(len(video) + frame).integers(0, 256, (48, 64, 3))
                picture = np.clip(seed + random.integers(-noise, noise + 1, seed.shape), 0, 255)
                from_png.fromarray(picture.astype(np.uint8)).save(
                    tmp_path / name / video / f"{frame:03}.png"
                )
    return tmp_path


def environment(program):
    """The programs on PATH, as an installed package has them."""
    for name in ("eval-metrics", "fit-coeffs", "record-diffs", "generate-videos", "sweep-report"):
        program(name)  # or skips
    path = [str(program("fit-coeffs").parent.resolve()), os.path.dirname(sys.executable)]
    return os.environ | {
        "PATH": ":".join([*path, os.environ["PATH"]]),
        "PYTHONPATH": ":".join(os.path.abspath(entry) for entry in sys.path if entry),
    }


@pytest.mark.parametrize("page", pages_to_run(), ids=lambda page: page.name)
def test_run(page, folder, program):
    if importlib.util.find_spec("torch"):
        pytest.skip("run in the environment without torch")
    if page.name == "formats.md":  # reads what other pages made
        prepare_formats(folder, environment(program))
    for block in blocks(page, {"run"}):
        if block.language == "python":
            pytest.importorskip("teacache._native", reason="the wheel is not installed")
            pytest.importorskip("pandas")
            command = [sys.executable, "-c", block.code]
        else:
            command = ["bash", "-euo", "pipefail", "-c", block.code]
        out = subprocess.run(
            command, cwd=folder, env=environment(program), capture_output=True, text=True
        )
        assert out.returncode == 0, f"{block}: exit code {out.returncode}\n{out.stdout}{out.stderr}"


def prepare_formats(folder, env):
    for command in (
        "eval-metrics --gt uncached --gen cached --metrics psnr,ssim --out results.json",
        "sweep-report render uncached cached-0.1 --out page && cp page/report.json .",
    ):
        subprocess.run(
            ["bash", "-c", command], cwd=folder, env=env, check=True, capture_output=True
        )


# ------------------------------------------------------------------------------- check
@pytest.mark.parametrize("block", all_blocks("check"))
def test_check(block, program):
    if block.language == "python":
        check_python(block)
        return
    for words in commands(block.code):
        if words[0] == "python":
            check_module(words)
            continue
        known = flags_of(program(words[0]), words[1:2])
        for word in words[1:]:
            flag = word.split("=")[0]
            if flag.startswith("--"):
                found = flag in known or unprefixed(flag) in known
                assert found, f"{block}: {words[0]} has no {flag}"


def commands(code):
    """The programs of a block with their words; variables hold the start of a command, or flags."""
    code = re.sub(r"\\\n", " ", code)
    for line in code.splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        if not line or line.startswith("cached="):
            continue
        if match := re.fullmatch(r'\w+="(.*)"', line):
            line = match[1]
        words = [word for word in line.split() if not word.startswith("$")]
        yield words


def flags_of(program, command):
    out = subprocess.run([program, "--help"], capture_output=True, text=True)
    text = out.stdout
    assert out.returncode == 0, out.stderr
    command = [word for word in command if not word.startswith("-")]
    if command and re.search(rf"^  {re.escape(command[0])}\b", text, re.MULTILINE):
        text += subprocess.run([program, *command, "--help"], capture_output=True, text=True).stdout
    return set(re.findall(r"--[a-z0-9][a-z0-9-]*", text))


def unprefixed(flag):
    return re.sub(r"^--[\w-]+\.", "--", flag)  # --latte.weights


def check_module(words):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("needs torch")
    out = subprocess.run([sys.executable, *words[1:3], "--help"], capture_output=True, text=True,
                         env=os.environ | {"PYTHONPATH": ":".join(sys.path)})  # fmt: skip
    assert out.returncode == 0, out.stderr
    for flag in (word for word in words if word.startswith("--")):
        assert flag in out.stdout, f"{words[2]} has no {flag}"


def check_python(block):
    import teacache

    tree = ast.parse(block.code)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "teacache":
            for name in node.names:
                assert name.name in teacache.__all__, f"{block}: teacache has no {name.name}"


# ------------------------------------------------------------------------------- network
@pytest.mark.parametrize("block", all_blocks("network"))
def test_network(block):
    subprocess.run(["bash", "-n", "-c", block.code], check=True)
    for script in re.findall(r"^(?:\./)?((?:tests/)?[\w/]+\.(?:sh|py))", block.code, re.MULTILINE):
        assert (ROOT / script).exists(), f"{block}: {script} does not exist"
    for command in re.findall(r"build\.sh (\w+)", block.code):
        assert re.search(rf"^  {command}\)", (ROOT / "build.sh").read_text(), re.MULTILINE), command
    assert shutil.which("bash")
