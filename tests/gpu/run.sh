#!/usr/bin/env bash
# Everything that has to run on a GPU, in one script of at most eight minutes; tests/gpu/README.md says what it
# needs, in which order the parts run and what comes out. `run.sh --help` lists the options.
exec python3 "$(dirname "${BASH_SOURCE[0]}")/run.py" "$@"
