"""Pages that are made from the code when the site is built: commands, Python, C, exit codes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import jinja2
import typer
from typer.cli import get_docs_for_click

import delrec_compile
from delrec_compile import errors, targets
from delrec_compile.cli.app import ENDED, app

# heading -> public names; every name of the package is in one of them
PYTHON = {
    "Networks": "Network load save snap read_inputs import_model plan_import export export_nir to_nir",
    "Readers of one framework": (
        "from_checkpoint from_lava from_nir from_norse from_snntorch from_spikingjelly"
    ),
    "Samples": "Reading read_samples read_words save_samples",
    "Artifacts": "Artifact build build_proven load_artifact package plan_build",
    "Running": "Session GpuSession PlainSession run",
    "Measurements": (
        "check check_on prove bench bench_on compare Budgets fits footprint report claims tune"
    ),
    "Training": "TrainConfig train",
}
HEADERS = {
    "Libraries": ("glue.h.in", "`x86_64`, `arm_cpu*` and the platforms: compiled libraries."),
    "Sources": ("c_source.h.in", "Every other target but `cuda`: C99 sources."),
    "GPUs": ("cuda_host.h.in", "`cuda`: a host program's side of the kernel."),
}
SIGNALS = {"Ctrl-C": ENDED + 2, "SIGTERM": ENDED + 15}


def pages() -> dict[str, str]:
    """Path in the site -> Markdown."""
    return {
        "reference/cli.md": commands(),
        "reference/python.md": python(),
        "reference/header.md": header(),
        "reference/errors.md": exit_codes(),
    }


def commands() -> str:
    command: Any = typer.main.get_command(app)
    context: Any = typer.Context(command, info_name="delrec-compile")
    text = get_docs_for_click(obj=command, ctx=context, name="delrec-compile", title="Commands")
    return text.replace("**Usage**:\n\n", "").replace("```console\n$ ", "```text\n")


def python() -> str:
    parts = ["# Python", f"Names of `delrec_compile` {delrec_compile.__version__}."]
    for heading, names in PYTHON.items():
        parts.append(f"## {heading}")
        parts += [f"::: delrec_compile.{delrec_compile.API[n]}.{n}" for n in names.split()]
    return "\n\n".join(parts) + "\n"


def header() -> str:
    """The entries of the C headers, by the templates that every artifact's header is made from."""
    parts = ["# C", "How they are used: [From C and C++](../c.md)."]
    for heading, (template, text) in HEADERS.items():
        parts += [f"## {heading}", text]
        for comment, declaration in entries(rendered(template)):
            entry = re.findall(r"<name>_\w+(?=\()", declaration)[0]
            parts += [f"### `{entry}`", f"```c\n{declaration}\n```", comment]
    return "\n\n".join(parts) + "\n"


class _Named(jinja2.Undefined):
    """A value that an artifact has and a template has not: `<its name>`."""

    def __str__(self) -> str:
        return f"<{self._undefined_name}>"

    def __getattr__(self, name: str) -> Any:
        return self


def rendered(template: str) -> str:
    folder = targets.__path__[0]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), undefined=_Named, autoescape=False
    )
    known = {"name": "<name>", "macro": "<NAME>", "events": True, "tables": [{"name": "<tables>"}]}
    return environment.get_template(template).render(known)


def entries(text: str) -> Iterator[tuple[str, str]]:
    """Each function's declaration, and the comment above it or nothing."""
    for comment, declaration in re.findall(
        r"(?:/\* ((?:(?!\*/).)*?) ?\*/\n)?^((?:int|void|int32_t|const)\b[^;{}]*?\);)",
        text,
        re.DOTALL | re.MULTILINE,
    ):
        plain = re.sub(r"\s*\n \* ?", " ", comment)
        yield plain.replace("<", "&lt;").replace("[", "\\["), declaration


def exit_codes() -> str:
    rows = ["| code | of | meaning |", "|---:|---|---|", "| 0 | | all is as it should be |"]
    tree = errors.__doc__ or ""
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        if line := re.search(rf"\b{kind.__name__} +(\d+) +(.+)", tree):
            rows.append(f"| {kind.exit_code} | `{kind.__name__}` | {line[2]} |")
    rows[3:] = sorted(rows[3:], key=lambda row: int(row.split()[1]))
    rows += [f"| {code} | {cause} | ended |" for cause, code in SIGNALS.items()]
    text = "An error is one line on stderr: what is wrong, where, what is allowed, what to do."
    return "\n\n".join(["# Exit codes", text, "\n".join(rows)]) + "\n"
