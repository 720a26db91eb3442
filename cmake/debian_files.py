#!/usr/bin/env python3
"""What a Debian package has beside its programs: man pages, completions, copyright, change log.

    debian_files.py --programs build/release/bin --share usr/share --version 0.1.0 \\
        --maintainer "A <a@b.org>"
"""

import argparse
import gzip
import os
import pathlib
import shutil
import tempfile
from email.utils import formatdate

import help_pages

PACKAGE = "teacache-tools"
ROOT = pathlib.Path(__file__).parents[1]
COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: TeaCache Toolkit

Files: *
Copyright: 2026 the authors of the TeaCache Toolkit
License: Apache-2.0
 On Debian systems the full text of the Apache License, version 2.0, is in the
 file /usr/share/common-licenses/Apache-2.0.
Comment: What the programs are built on is listed in NOTICE.gz beside this file.
"""
CHANGES = """{package} ({version}-1) unstable; urgency=medium

  * Version {version}; see changelog.gz.

 -- {maintainer}  {date}
"""


def compress(data, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as archive:
        archive.write(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--programs", type=pathlib.Path, required=True)
    parser.add_argument("--share", type=pathlib.Path, required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--maintainer", required=True, help='"Name <address>"')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pages = pathlib.Path(folder)
        for program in ("eval-metrics", "fit-coeffs"):
            help_pages.write_all(args.programs / program, pages)
        for page in (pages / "man/man1").iterdir():
            compress(page.read_bytes(), args.share / "man/man1" / f"{page.name}.gz")
        for shell, place in {"bash-completion": "bash-completion",
                             "zsh/site-functions": "zsh/vendor-completions",
                             "fish": "fish"}.items():  # fmt: skip
            shutil.copytree(pages / shell, args.share / place, dirs_exist_ok=True)
    doc = args.share / "doc" / PACKAGE
    doc.mkdir(parents=True, exist_ok=True)
    (doc / "copyright").write_text(COPYRIGHT)
    compress((ROOT / "NOTICE").read_bytes(), doc / "NOTICE.gz")
    compress((ROOT / "CHANGELOG.md").read_bytes(), doc / "changelog.gz")
    time = os.environ.get("SOURCE_DATE_EPOCH")
    changes = CHANGES.format(
        package=PACKAGE,
        version=args.version,
        maintainer=args.maintainer,
        date=formatdate(float(time)) if time else formatdate(),
    )
    compress(changes.encode(), doc / "changelog.Debian.gz")
    for folder, _, files in os.walk(args.share):
        os.chmod(folder, 0o755)
        for name in files:
            os.chmod(os.path.join(folder, name), 0o644)


if __name__ == "__main__":
    main()
