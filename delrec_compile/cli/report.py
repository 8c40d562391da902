"""The command that writes a page: report."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from delrec_compile.bundled import NETWORKS
from delrec_compile.cli import completion
from delrec_compile.cli.inputs import PLAIN, InputOptions, with_inputs
from delrec_compile.cli.options import DEFAULT, Force, Json
from delrec_compile.cli.terminal import (
    command_line,
    print_json,
    remark,
    saying,
    show_line,
    unused,
)

if TYPE_CHECKING:
    from delrec_compile.evaluation.page.make import Report

Reported = Annotated[
    str,
    typer.Argument(
        help="An artifact's folder, a .safetensors network, a bundled one "
        f"({', '.join(NETWORKS)}), or a file that 'compare --json' or 'claims --json' printed.",
        autocompletion=completion.shown,
    ),
]


Html = Annotated[Path | None, typer.Option(help="File of the page; without any file: report.html.")]
Md = Annotated[Path | None, typer.Option(help="File of a model card in Markdown.")]
Png = Annotated[Path | None, typer.Option(help="File of a picture; needs matplotlib.")]
License = Annotated[str, typer.Option(help="License of the model card, such as mit.")]
Sample = Annotated[
    int | None,
    typer.Option(min=0, help="Sample to draw; default: that of the first difference, else 0."),
]


@partial(with_inputs, without=("limit",))
def report(
    source: Reported = DEFAULT,
    html: Html = None,
    md: Md = None,
    png: Png = None,
    license: License = "",
    sample: Sample = None,
    inputs: InputOptions = PLAIN,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write one page to look at: graph, spikes, delays, parity, times, memory."""
    from delrec_compile.evaluation.page.make import report as make
    from delrec_compile.evaluation.page.picture import available

    named = {"--html": html, "--md": md, "--png": png}
    files = {flag: path for flag, path in named.items() if path}
    files = files or {"--html": Path(unused("report.html"))}
    check_files(list(files.values()), force)
    if png is not None:
        available()
    options = [word for pair in files.items() for word in pair]
    options += [] if sample is None else ["--sample", str(sample)]
    line = command_line("report", source, *options, *inputs.repeated())
    with saying(brief=True) as say:
        say("running the sample")
        chosen: dict[str, Any] = {"samples": inputs.samples, "reading": inputs.reading}
        made = make(source, sample=sample, command=line, **chosen)
    if made.remark:
        remark(made.remark)
    _print(made, _written(made, files, license), as_json)


def _written(made: Report, files: dict[str, Path], licence: str) -> dict[Path, int]:
    """Writes the file of each flag; returns their sizes."""
    from delrec_compile.system.files import write_atomic

    texts: dict[str, Callable[[], bytes]] = {
        "--html": lambda: made.html().encode(),
        "--md": lambda: made.markdown(licence).encode(),
        "--png": made.png,
    }
    sizes = {}
    for flag, path in files.items():
        raw = texts[flag]()
        write_atomic(path, raw)
        sizes[path] = len(raw)
    return sizes


def check_files(paths: list[Path], force: bool) -> None:
    """Raises InputError for a file that exists or cannot be written."""
    from delrec_compile.errors import InputError
    from delrec_compile.system.files import check_writable

    for path in paths:
        if path.exists() and not force:
            raise InputError(f"{path} exists; add --force to replace it")
        check_writable(path)


def _print(made: Report, files: dict[Path, int], as_json: bool) -> None:
    sizes = {str(path): size for path, size in files.items()}
    if as_json:
        print_json("report", **made.as_dict(), files=sizes)
        return
    for path, size in sizes.items():
        show_line(f"{path}: {size:,} bytes")
