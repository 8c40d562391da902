"""The command that writes a page: report."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from delrec_compile.bundled import NETWORKS
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
        f"({', '.join(NETWORKS)}), or a file that 'compare --json' or 'claims --json' printed."
    ),
]


@partial(with_inputs, without=("limit",))
def report(
    source: Reported = DEFAULT,
    html: Annotated[
        Path | None, typer.Option(help="File of the page; by default report.html.")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(min=0, help="Sample to draw; default: that of the first difference, else 0."),
    ] = None,
    inputs: InputOptions = PLAIN,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write one page to look at: graph, spikes, delays, parity, times, memory."""
    from delrec_compile.evaluation.page.make import report as make
    from delrec_compile.system.files import write_atomic

    html = Path(unused("report.html")) if html is None else html
    check_files([html], force)
    options = [] if sample is None else ["--sample", str(sample)]
    line = command_line("report", source, "--html", html, *options, *inputs.repeated())
    with saying() as say:
        say("running the sample")
        made = make(
            source,
            samples=inputs.samples,
            reading=inputs.reading,
            sample=sample,
            command=line,
        )
    if made.remark:
        remark(made.remark)
    files = {html: made.html().encode()}
    for path, raw in files.items():
        write_atomic(path, raw)
    _print(made, files, as_json)


def check_files(paths: list[Path], force: bool) -> None:
    """Raises InputError for a file that exists or cannot be written."""
    from delrec_compile.errors import InputError
    from delrec_compile.system.files import check_writable

    for path in paths:
        if path.exists() and not force:
            raise InputError(f"{path} exists; add --force to replace it")
        check_writable(path)


def _print(made: Report, files: dict[Path, bytes], as_json: bool) -> None:
    sizes = {str(path): len(raw) for path, raw in files.items()}
    if as_json:
        print_json("report", **made.as_dict(), files=sizes)
        return
    for path, size in sizes.items():
        show_line(f"{path}: {size:,} bytes")
