#!/usr/bin/env python3
"""Builds the documents as a site: these pages, README and others, and the references, which are
made of the programs' --help, the Python package's docstrings and the C++ headers.

    docs/site.py --programs build/release/bin --out build/docs     # out/html/index.html

A warning of mkdocs is an error. Needs mkdocs and mkdocs-material (tests/python/tools.txt).
"""

import argparse
import ast
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "cmake"))
import help_pages  # noqa: E402

# Pages from elsewhere in the tree, and the names that they have in the site.
OTHERS = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "datasets/FORMATS.md": "FORMATS.md",
}
FILES = ("LICENSE", "NOTICE", "CITATION.cff")


def page_of(text, folder):
    """A page with its links as they are in the site, where all pages lie in one folder."""

    def link(match):
        label, target = match[1], match[2]
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        path, _, anchor = target.partition("#")
        full = os.path.relpath(ROOT / folder / path, ROOT)
        if full in FILES:
            name = full + ".txt"
        elif full in OTHERS or full.startswith("docs/"):
            name = OTHERS.get(full, full.removeprefix("docs/"))
        elif (ROOT / full).exists():  # a file of the sources, which are not part of the site
            return label
        else:
            name = path
        return f"[{label}]({name}{'#' + anchor if anchor else ''})"

    text = re.sub(r"\[([^\]\n]*)\]\(([^)\s]+)\)", link, text)
    return re.sub(r"^```python file=(\S+)$", r'```python title="\1"', text, flags=re.MULTILINE)


def flags(programs):
    lines = ["# Flags", "", "As the programs print them for `--help`.", ""]
    for name in help_pages.PROGRAMS:
        if not (programs / name).exists():
            continue
        pages = [help_pages.help_of(programs / name)]
        pages += [help_pages.help_of(programs / name, e.names) for e in pages[0].commands]
        for page in pages:
            level = "#" * (1 + len(page.name.split()))
            lines += [f"{level} {page.name}", "", cell(page.description), ""]
            lines += ["| flag | meaning |", "|---|---|"]
            lines += [f"| `{entry.names}` | {cell(entry.text)} |" for entry in page.entries]
            lines += [""]
            if page.examples:
                lines += ["```text", page.examples, "```", ""]
    return "\n".join(lines)


def cell(text):
    return re.sub(r"([|<>*_\[\]])", r"\\\1", text)


def python_reference():
    lines = ["# Python", ""]
    package = ROOT / "runners/python/teacache"
    lines += [ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or "", ""]
    modules = ["frames", "evaluation", "fitting", "recorder", "apply", "export", "errors"]
    for module in modules:
        tree = ast.parse((package / f"{module}.py").read_text())
        lines += [f"## teacache.{module}", "", cell(ast.get_docstring(tree) or ""), ""]
        for node in tree.body:
            lines += members(node, "###")
    return "\n".join(lines)


def members(node, level):
    kinds = (ast.FunctionDef, ast.ClassDef)
    if not isinstance(node, kinds) or node.name.startswith("_") or is_overload(node):
        return []
    doc = ast.get_docstring(node)
    if doc is None:
        return []
    lines = [f"{level} {node.name}", ""]
    if isinstance(node, ast.FunctionDef):
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        signature = f"{node.name}({ast.unparse(node.args)}){returns}"
        lines += ["```python", re.sub(r", (?=\w+[:=]|\*)", ",\n    ", signature), "```", ""]
    lines += [cell(doc), ""]
    if isinstance(node, ast.ClassDef):
        for member in node.body:
            lines += members(member, level + "#")
    return lines


def is_overload(node):
    return any(isinstance(d, ast.Name) and d.id == "overload" for d in node.decorator_list)


def headers(layer):
    """The headers of a layer that is installed, without includes."""
    lines = [f"# C++: {layer}/", ""]
    lines += ["Headers as they are installed; their comments are the reference.", ""]
    for path in sorted((ROOT / layer).rglob("*.h")):
        text = re.sub(r"^#.*\n|^namespace teacache \{\n|^\}  // namespace teacache\n", "",
                      path.read_text(), flags=re.MULTILINE)  # fmt: skip
        name = str(path.relative_to(ROOT))
        lines += [f"## {name}", "", "```cpp", re.sub(r"\n{3,}", "\n\n", text).strip(), "```", ""]
    return "\n".join(lines)


def gather(programs, pages):
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir(parents=True)
    sources = {path: path.name for path in (ROOT / "docs").glob("*.md")}
    sources |= {ROOT / path: name for path, name in OTHERS.items()}
    for path, name in sources.items():
        text = path.read_text(encoding="utf-8")
        (pages / name).write_text(page_of(text, path.parent.relative_to(ROOT)), encoding="utf-8")
    shutil.copy(ROOT / "docs/report.png", pages)
    for name in FILES:
        shutil.copy(ROOT / name, pages / f"{name}.txt")
    (pages / "flags.md").write_text(flags(programs))
    (pages / "python.md").write_text(python_reference())
    for layer in ("datasets", "calib", "metrics"):
        (pages / f"cpp-{layer}.md").write_text(headers(layer))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--programs", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    out = args.out.resolve()
    gather(args.programs, out / "pages")
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file",
         ROOT / "mkdocs.yml", "--site-dir", out / "html"],
        env=os.environ | {"TEACACHE_SITE_SOURCE": str(out / "pages"), "NO_MKDOCS_2_WARNING": "1"},
    ).returncode  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
