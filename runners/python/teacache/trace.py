"""The trace file that fit-coeffs reads (datasets/FORMATS.md, "Trace")."""

import json
import os

from .errors import TeaCacheError

VERSION = 1
# Fields of a header that a user may give; what is left out is not known.
DESCRIPTION = (
    "scheduler",
    "guidance",
    "width",
    "height",
    "frames",
    "dtype",
    "prompts_digest",
    "task",
    "revision",
    "part",
    "parts",
)
_MAY_DIFFER = ("tool_version", "prompts_digest")


def _line(value):
    return json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"


class TraceFile:
    """Appends rows a run at a time, so that an interrupted recording can go on: what a run that
    was cut off has left is removed, and `runs` says which are there."""

    def __init__(self, path):
        self.path, self.header, self.runs = os.fspath(path), None, set()
        if os.path.exists(self.path):
            self._read()

    def _read(self):
        with open(self.path, "rb") as f:
            lines = f.readlines()
        if not lines:
            return
        try:
            self.header = json.loads(lines[0])
            assert self.header["format"] == "teacache-trace" and self.header["version"] == VERSION
            rows = [json.loads(line) for line in lines[1:] if line.endswith(b"\n")]
            runs = [(row["prompt"], row["seed"]) for row in rows]
        except (ValueError, KeyError, TypeError, AssertionError):
            raise TeaCacheError(
                self.path, "must be a trace of version 1, or not exist, but is another file"
            ) from None
        if not lines[-1].endswith(b"\n"):
            cut = runs[-1] if runs else None
            keep = 1 + next((i for i, run in enumerate(runs) if run == cut), 0)
            os.truncate(self.path, sum(len(line) for line in lines[:keep]))
            runs = runs[: keep - 1]
        self.runs = set(runs)

    def append(self, header, rows):
        if self.header is None:
            self.header, new = header, True
        else:
            new = False
            for name in sorted({*self.header, *header} - {*_MAY_DIFFER}):
                if self.header.get(name) != header.get(name):
                    raise TeaCacheError(
                        self.path,
                        f'"{name}" must be {self.header.get(name)} as '
                        f"in this file but is {header.get(name)}: give another file",
                    )
        runs = {(row["prompt"], row["seed"]) for row in rows}
        if again := runs & self.runs:
            raise TeaCacheError(self.path, f"runs must be new but it has {sorted(again)[0]}")
        try:
            text = "".join(map(_line, ([header] if new else []) + rows))
        except ValueError:
            raise TeaCacheError(
                self.path, "sums must be finite but are not: the model gave NaN or infinity"
            ) from None
        with open(self.path, "ab") as f:
            f.write(text.encode("utf-8"))
            f.flush()
            os.fsync(f.fileno())
        self.runs |= runs
