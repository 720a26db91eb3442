#!/usr/bin/env python3
"""Man pages and shell completions, made of what the programs print for --help.

    help_pages.py --programs build/release/bin --share PREFIX/share

writes man/man1/*.1, bash-completion/completions/*, zsh/site-functions/_* and
fish/vendor_completions.d/*.fish into the share folder. A program that is not there is left out.
"""

import argparse
import pathlib
import re
import subprocess
from dataclasses import dataclass, field

PROGRAMS = [
    "encode-prompts",
    "eval-metrics",
    "fit-coeffs",
    "generate-videos",
    "inspect-bundle",
    "record-diffs",
    "sweep-report",
    "train-shapes",
    "vbench-score",
]


@dataclass
class Entry:
    """A flag ("--out TEXT REQUIRED"), a positional argument or a sub-command, with its text."""

    names: str
    text: str
    section: str

    @property
    def flags(self):
        return [word for word in re.split(r"[ ,=]", self.names) if word.startswith("-")]

    @property
    def takes_value(self):
        return bool(self.flags) and " " in self.names

    @property
    def is_path(self):
        return bool(re.search(r"\b([Ff]older|[Ff]ile|page|\.json|\.csv)\b", self.text))


@dataclass
class Help:
    name: str  # "fit-coeffs", "fit-coeffs score"
    description: str
    usage: str
    entries: list = field(default_factory=list)
    examples: str = ""

    def of(self, section):
        return [entry for entry in self.entries if entry.section == section]

    @property
    def options(self):
        return [entry for entry in self.entries if entry.flags]

    @property
    def commands(self):
        return self.of("Subcommands")


def parse(name, text):
    head, _, rest = text.partition("Usage: ")
    usage, _, rest = rest.partition("\n")
    page = Help(name, " ".join(head.split()), usage.strip())
    section = ""
    lines = iter(rest.split("\n"))
    for line in lines:
        if line.startswith("Examples:"):
            page.examples = "\n".join(lines).strip("\n")
        elif re.match(r"^\S.*:$", line):
            section = line[:-1]
        elif match := re.match(r"^  (\S.*?)(?:\s{2,}(\S.*))?$", line):
            page.entries.append(Entry(match[1], match[2] or "", section))
        elif line.startswith(" " * 10) and page.entries:
            entry = page.entries[-1]
            entry.text = (entry.text + " " + line.strip()).strip()
    return page


def help_of(program, *command):
    out = subprocess.run(
        [program, *command, "--help"], check=True, capture_output=True, text=True
    ).stdout
    page = parse(" ".join([program.name, *command]), out)
    if not page.options:
        raise SystemExit(f"{program}: no flags were found in its --help")
    return page


# ------------------------------------------------------------------------------- man pages
def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)


def man(pages, version):
    main = pages[0]
    title = main.name.upper()
    first = main.description.split(". ")[0].rstrip(".")
    lines = [
        f'.TH "{title}" 1 "" "TeaCache Toolkit {version}"',
        ".SH NAME",
        roff(f"{main.name} - {first}"),
        ".SH SYNOPSIS",
    ]
    for page in pages:
        lines += [".B " + roff(page.usage), ".br"]
    lines += [".SH DESCRIPTION", roff(main.description)]
    for page in pages:
        title = "OPTIONS" if page is main else page.name.upper()
        lines.append(f'.SH "{title}"')
        if page is not main:
            lines.append(roff(page.description))
        for entry in page.entries:
            if entry.section != "Subcommands":
                lines += [".TP", ".B " + roff(entry.names), roff(entry.text)]
    if main.examples:
        lines += [".SH EXAMPLES", ".nf", roff(main.examples), ".fi"]
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------------------ completions
def words(page):
    flags = [flag for entry in page.options for flag in entry.flags]
    return flags + [entry.names for entry in page.commands]


def bash(pages):
    name = pages[0].name
    function = "_" + name.replace("-", "_")
    cases = "".join(
        f"    {page.name.split()[1]}) words='{' '.join(words(page))}' ;;\n" for page in pages[1:]
    )
    return f"""# bash completion of {name}
{function}() {{
  local words='{" ".join(words(pages[0]))}'
  case "${{COMP_WORDS[1]}}" in
{cases}  esac
  if [[ ${{COMP_WORDS[COMP_CWORD]}} == -* || $COMP_CWORD -eq 1 ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}")
  fi
}}
complete -o default -F {function} {name}
"""


def quoted(text, marks):
    for mark in marks:
        text = text.replace(mark, "\\" + mark)
    return text


def zsh(pages):
    def arguments(page):
        lines = []
        for entry in page.options:
            text = quoted(entry.text.replace("'", "’"), "[]:")
            value = (":value:_files" if entry.is_path else ":value:") if entry.takes_value else ""
            lines += [f"    '{flag}[{text}]{value}'" for flag in entry.flags]
        return " \\\n".join(lines + ["    '*:file:_files'"])

    name = pages[0].name
    cases = "".join(
        f"  {page.name.split()[1]})\n    shift words; (( CURRENT-- ))\n"
        f"    _arguments \\\n{arguments(page)} ;;\n"
        for page in pages[1:]
    )
    commands = " ".join(page.name.split()[1] for page in pages[1:])
    offer = f"  (( CURRENT == 2 )) && compadd {commands}\n" if commands else ""
    return f"""#compdef {name}
{offer}case "$words[2]" in
{cases}  *)
    _arguments \\
{arguments(pages[0])} ;;
esac
"""


def fish(pages):
    name = pages[0].name
    commands = " ".join(page.name.split()[1] for page in pages[1:])
    lines = [f"# fish completion of {name}"]
    for page in pages:
        sub = page.name.split()[1:]
        when = f" -n '__fish_seen_subcommand_from {sub[0]}'" if sub else ""
        if not sub and commands:
            when = f" -n 'not __fish_seen_subcommand_from {commands}'"
        for entry in page.options:
            names = " ".join(
                f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
                for flag in entry.flags
            )
            value = " -r" if entry.takes_value else ""
            text = quoted(entry.text, "\\'")
            lines.append(f"complete -c {name}{when} {names}{value} -d '{text}'")
        for entry in page.commands:
            text = quoted(entry.text, "\\'")
            lines.append(f"complete -c {name}{when} -f -a {entry.names} -d '{text}'")
    return "\n".join(lines) + "\n"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_all(program, share):
    """Man page and completions of one program, into the share folder."""
    name = program.name
    version = subprocess.run(
        [program, "--version"], check=True, capture_output=True, text=True
    ).stdout.strip()
    pages = [help_of(program)]
    pages += [help_of(program, entry.names) for entry in pages[0].commands]
    write(share / "man/man1" / f"{name}.1", man(pages, version))
    write(share / "bash-completion/completions" / name, bash(pages))
    write(share / "zsh/site-functions" / f"_{name}", zsh(pages))
    write(share / "fish/vendor_completions.d" / f"{name}.fish", fish(pages))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--programs", type=pathlib.Path, required=True)
    parser.add_argument("--share", type=pathlib.Path, required=True)
    args = parser.parse_args()
    for name in PROGRAMS:
        if (args.programs / name).exists():
            write_all(args.programs / name, args.share)


if __name__ == "__main__":
    main()
